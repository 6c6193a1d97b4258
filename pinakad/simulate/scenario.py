"""What does a simulated node show after an order to reboot?

The law: a life is a sequence of spells; each spell after one that is `down` is another boot; the last spell stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf


class Face(StrEnum):
    """What a client that connects to a node finds."""

    UP = "up"
    DOWN = "down"  # connections are refused
    INSTALLER = "installer"  # a live system on the same address: other name, other boot, the key is accepted
    DRIPPING = "dripping"  # an SSH banner that comes byte by byte, too slowly to end
    LOCKED = "locked"  # sshd answers, but the user's key is not installed yet


@dataclass(frozen=True, slots=True)
class Spell:
    """One face, and for how many seconds it lasts; `inf` for the one that stays."""

    face: Face
    lasts_s: float = inf


@dataclass(frozen=True, slots=True)
class Scenario:
    """What happens at an order to reboot. Durations are in seconds; a step of 0 s is left out."""

    shutdown_s: float = 0.3
    """The node still answers, in its old boot, while its services stop."""
    down_s: float = 2.0
    installer_s: float = 0.0
    """First a live installer answers on the address, and then the node goes down once more."""
    dripping_s: float = 0.0
    late_key_s: float = 0.0
    again_after_s: float = 0.0
    """How long after its return the node goes down a second time."""
    new_host_key: bool = False
    """The node is reinstalled: its first boot after the order has another host key."""
    hostname: str | None = None
    """The host name that the node reports after the order, None for its own."""
    never_back: bool = False
    ignores_orders: bool = False

    def life(self) -> Iterator[Spell]:
        """Yield the spells of the node from the order on."""
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
