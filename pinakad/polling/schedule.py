"""When is a node polled?"""

from dataclasses import dataclass
from math import ceil

SPREAD = 0.8
"""The part of an interval that the nodes spread over: the last node still has time before the next slot."""
EACH_S = 0.001
"""The part of an interval that each node gets: few nodes need not wait for each other, many make no burst."""
TICK_S = 0.02
"""Offsets are multiples of this: thousands of nodes wake the process 50 times a second, not thousands of times."""
UNASKED_S = 300.0
"""How long after the end attempts go on at a node where none could be made; never less than two intervals."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slots of a run, in seconds on the boot clock: `launched_s + delay_s + k * interval_s`.

    Each node has an offset of its own in them.

    `exited_s` is when the script ended, None while it runs: until then polling has no end. `back_s` is when the last
    absence of the daemon, a restart or a pause, was over; 0 where there was none.
    """

    launched_s: float
    delay_s: float
    interval_s: float
    attempts: int
    exited_s: float | None = None
    back_s: float = 0.0

    @property
    def begins_s(self) -> float:
        """When the first slot begins."""
        return self.launched_s + self.delay_s

    @property
    def ends_s(self) -> float | None:
        """When polling ends, the same for each node; None while the script runs."""
        if self.exited_s is None:
            return None
        return max(self.begins_s, self.exited_s) + self.attempts * self.interval_s

    def asks_on(self, unasked_since_s: float, moment_s: float) -> bool:
        """Return whether attempts go on at `moment_s` at a node where none could be made since `unasked_since_s`."""
        if self.ends_s is None:
            return True
        return moment_s < max(self.ends_s, self.back_s, unasked_since_s) + max(UNASKED_S, 2 * self.interval_s)

    def gives_a_chance(self, began_s: float) -> bool:
        """Return whether an attempt that began at `began_s` counts against its node, if it fails."""
        return self.exited_s is not None and began_s >= max(self.exited_s, self.back_s)

    def offset(self, index: int, number: int) -> float:
        """Return the offset of one of `number` nodes, by its index: a part of the spread, 0 for the first one.

        Only where there are many nodes they use all of the spread: nearly 1 for the last one.
        """
        return index / number * min(1.0, EACH_S * number / (SPREAD * self.interval_s))

    def slot_from(self, moment_s: float, offset: float) -> float:
        """Return the first slot at or after `moment_s` of the node at `offset` (0 to 1, a part of the spread)."""
        first = self.begins_s + round(offset * SPREAD * self.interval_s / TICK_S) * TICK_S
        # the tiny subtraction: a sleep that ends exactly on a slot must find this slot, not the next one
        number = ceil((moment_s - first) / self.interval_s - 1e-9)
        return first + max(number, 0) * self.interval_s

    def is_last(self, slot_s: float) -> bool:
        """Return whether the slot at `slot_s` is the node's last one that leaves time for a login before the end."""
        if self.ends_s is None:
            return False
        latest_s = self.ends_s - (1 - SPREAD) * self.interval_s + 1e-6
        return slot_s <= latest_s < slot_s + self.interval_s

    def number(self, moment_s: float) -> int:
        """Return how many slots have begun by `moment_s`; shown as `attempt 14/120`."""
        return max(0, int((moment_s - self.begins_s) / self.interval_s) + 1) if moment_s >= self.begins_s else 0
