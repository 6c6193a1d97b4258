"""When is the writer of a request done with it?

When an event says that the writer closed the file or renamed it in; without such an event, when the file has not
changed for QUIET_S. A file that is not a sound request yet and that is still open is waited for, but not for ever.
"""

import os
import stat
from pathlib import Path

from pinakad.linux.leases import is_open_for_writing
from pinakad.markers.request import read_request, status_of

QUIET_S = 0.2
"""A request without a closing event is taken when it has been still for so long: a shell's `>` makes an empty file
first."""
OPEN_LIMIT_S, CLOSE_LIMIT_S = 10.0, 3.0
"""So long a request is waited for that is empty or half written, and still open for writing; and so long, where it
cannot be known whether it is open, one that is empty and was created but not closed.
"""


class Settling:
    """Watches how long one file has not changed. Every method raises OSError where the file cannot be read."""

    def __init__(self, request: Path) -> None:
        self._request = request
        self._unchanged_since: tuple[tuple[int, ...], float] | None = None  # inode, times and size; seconds

    def settles_in_s(self, now_s: float, *, closed: bool, created: bool = False) -> float:
        """Return the seconds until the request may be taken: 0 when its writer is done with it, or there is none.

        `closed`: an event said that its writer closed it or renamed it in; `created`: an event said that it was
        created, and none since that it was closed. `now_s`: any steady clock.
        """
        status = status_of(self._request)
        if status is None or closed:
            self._unchanged_since = None
            return 0.0
        state = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_ctime_ns)
        if self._unchanged_since is None or self._unchanged_since[0] != state:
            self._unchanged_since = (state, now_s)
        since_s = self._unchanged_since[1]
        left_s = since_s + QUIET_S - now_s
        if left_s <= 0:
            limit_s = self._writing_limit_s(status, created=created)
            left_s = min(QUIET_S, since_s + limit_s - now_s)
        return max(0.0, left_s)

    def _writing_limit_s(self, status: os.stat_result, *, created: bool) -> float:
        """Return how long a writer that may still be at work is waited for.

        Where it cannot be known who has the file open, the events decide. An empty file that was linked in causes the
        same event as a created one, and will not be closed: its mtime is older than its ctime, unless the file was
        made and linked in within one tick.
        """
        found = read_request(self._request) if stat.S_ISREG(status.st_mode) else None
        if found is None or (found.identity.size > 0 and found.document is not None):
            return 0.0
        is_open = is_open_for_writing(self._request)
        fresh = created and status.st_size == 0 and status.st_mtime_ns == status.st_ctime_ns
        if is_open is None:
            return CLOSE_LIMIT_S if fresh else 0.0
        return OPEN_LIMIT_S if is_open else 0.0
