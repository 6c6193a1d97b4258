"""What does a simulated node show after an order to reboot?

The law: a life is a row of spells; every spell after one that is `down` is another boot; the last spell stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf


class Face(StrEnum):
    """What whoever connects to a node finds."""

    UP = "up"
    DOWN = "down"  # connections are refused
    INSTALLER = "installer"  # a live system on the same address: other name, other boot, the key is good
    DRIPPING = "dripping"  # an SSH banner that comes byte by byte and never ends
    LOCKED = "locked"  # sshd answers, but the key is not installed yet


@dataclass(frozen=True, slots=True)
class Spell:
    """One face, and for how many seconds; `inf` for the one that stays."""

    face: Face
    lasts_s: float = inf


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens at an order to reboot. Durations are in seconds; what is 0 does not happen."""

    shutdown_s: float = 0.3
    """It still answers, in its old boot, while its services stop."""
    down_s: float = 2.0
    installer_s: float = 0.0
    """A live installer answers on the address first, and then it goes down once more."""
    dripping_s: float = 0.0
    late_key_s: float = 0.0
    again_after_s: float = 0.0
    """It goes down a second time, so long after it came back."""
    new_host_key: bool = False
    """It was reinstalled: its first boot after the order has another host key."""
    hostname: str | None = None
    """What it calls itself after the order, where that is not its name."""
    never_back: bool = False
    ignores_orders: bool = False

    def life(self) -> Iterator[Spell]:
        """Return what the node shows from the order on."""
        if self.ignores_orders:
            return
        yield Spell(Face.UP, self.shutdown_s)
        if self.never_back:
            yield Spell(Face.DOWN)
            return
        yield Spell(Face.DOWN, self.down_s)
        if self.installer_s:
            yield Spell(Face.INSTALLER, self.installer_s)
            yield Spell(Face.DOWN, self.down_s)
        if self.dripping_s:
            yield Spell(Face.DRIPPING, self.dripping_s)
        if self.late_key_s:
            yield Spell(Face.LOCKED, self.late_key_s)
        if self.again_after_s:
            yield Spell(Face.UP, self.again_after_s)
            yield Spell(Face.DOWN, self.down_s)
        yield Spell(Face.UP)
