"""Moments: timestamps as they are written and read (RFC 3339 in UTC, with milliseconds), and points on the clocks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, StringConstraints


def _a_moment(text: str) -> str:
    datetime.fromisoformat(text)  # the pattern alone would accept the 31st of June
    return text


_RFC_3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Timestamp = Annotated[str, StringConstraints(pattern=_RFC_3339), AfterValidator(_a_moment)]


def timestamp(seconds: float | None) -> str | None:
    """Return seconds since 1970 as RFC 3339 in UTC with milliseconds, None for None."""
    return None if seconds is None else rfc3339(seconds)


def rfc3339(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def wall_s(text: str | None) -> float | None:
    """Return a timestamp as seconds since 1970, None for None. Raises ValueError where it is no timestamp."""
    return None if text is None else datetime.fromisoformat(text).timestamp()


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment: `boot_s` (seconds on the boot clock) for durations, `wall_s` (seconds since 1970) for people."""

    boot_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that is valid across reboots: seconds on the boot clock of the boot `boot_id`, and since 1970."""

    boot_id: str
    boot_s: float
    wall_s: float

    def on_clock(self, boot_id: str, now: Instant) -> float:
        """Return the moment in seconds on the boot clock of the boot `boot_id`, in which it is `now`.

        After a reboot it is computed from the wall clock, and never lies after `now`.
        """
        if self.boot_id == boot_id:
            return self.boot_s
        return now.boot_s - max(0.0, now.wall_s - self.wall_s)
