"""How often may something be done? A bucket of permits that fills up with time."""

from collections.abc import Callable
from math import ceil


class Bucket:
    """Permits: `most` at once, and one more every `each_s` seconds. `now_s` is any steady clock."""

    def __init__(self, most: int, each_s: float, now_s: Callable[[], float]) -> None:
        self._most, self._each_s, self._now_s = most, each_s, now_s
        self._left, self._at_s = float(most), now_s()

    def take(self) -> float:
        """Take a permit and return 0; where there is none, return the seconds until there is one."""
        wait_s = self.wait_s()
        if wait_s == 0:
            self._left -= 1
        return wait_s

    def wait_s(self) -> float:
        """Return the seconds until there is a permit, 0 where there is one. It is not taken."""
        now_s = self._now_s()
        self._left = min(float(self._most), self._left + (now_s - self._at_s) / self._each_s)
        self._at_s = now_s
        return 0.0 if self._left >= 1 else (1 - self._left) * self._each_s


def retry_after(wait_s: float) -> dict[str, str]:
    """Return the header that tells a client when to come again (RFC 9110, 10.2.3): whole seconds."""
    return {"Retry-After": str(max(1, ceil(wait_s)))}
