"""Which requests were taken and are not known to be gone? Remembered outside of the deployments' folders.

served.json has an entry for each, from the taking until the request is removed: usually one while a deployment runs and
two seconds longer (`is_over`: the request is only set aside then), and none otherwise. A request whose identity is in
an entry that is not over is never served again, whatever became of its deployment's folder; any other is a new one,
although the last may have had the same identity (a file that was linked in again).

A file that is removed and linked in again while no daemon runs counts as the one before. Its ctime cannot decide it:
a chmod changes the ctime, too, and would have the request run twice.

The order of what is durable: the deployment's first report, then its entry here; the answer, then the request set
aside, then `answered` in the deployment's folder, then the entry is over, then the request is removed. Each write is
whole and durable: a write that is cut would lose the other entries, too.
"""

import logging
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pinakad.linux.files import NotRegularError, read_regular, write_whole
from pinakad.report.node import Part
from pinakad.report.request import Id, RequestPart
from pinakad.state.crash_points import CrashPoint, crash_point

log = logging.getLogger(__name__)

MAX_ENTRIES = 200
"""Entries of marker folders that never come back would pile up: the oldest are forgotten."""
_MAX_BYTES = 1 << 20


class FolderIdentity(Part):
    """Which folder a path leads to. The device counts within one boot only: the next may number the disks otherwise."""

    boot_id: str
    device: int
    inode: int

    def is_same(self, other: "FolderIdentity") -> bool:
        """Return whether both are the same folder."""
        return self.inode == other.inode and (self.boot_id != other.boot_id or self.device == other.device)


class ServedRequest(Part):
    """A request that was taken as the deployment `id`: its identity, and the marker folder it was in, if known.

    `gone`: the request was removed, by us or by somebody else, so that a request there now is another one. `answered`:
    the answer is out, and only the request is still to be removed. `cancel_since_ns`: a cancel with an older ctime does
    not count; it was there before and could not be removed.
    """

    id: Id
    inode: int
    mtime_ns: int
    size: int
    sha256: str
    folder: FolderIdentity | None = None
    gone: bool = False
    answered: bool = False
    cancel_since_ns: int = 0

    @property
    def is_over(self) -> bool:
        """Return whether the answer is out and the request gone: at most, it is still set aside."""
        return self.gone and self.answered

    def part(self) -> RequestPart:
        """Return the request as a report has it, without the nodes that it named: they are not recorded here."""
        identity = {"inode": self.inode, "mtime_ns": self.mtime_ns, "size": self.size, "sha256": self.sha256}
        return RequestPart(id=None, nodes=None, **identity)

    def is_for(self, request: RequestPart) -> bool:
        """Return whether `request` has the same identity, and this one was not seen to be removed."""
        mine = (self.inode, self.mtime_ns, self.size, self.sha256)
        return not self.gone and mine == (request.inode, request.mtime_ns, request.size, request.sha256)


_ENTRIES = TypeAdapter(list[ServedRequest])


def served_request(
    identifier: str, request: RequestPart, folder: FolderIdentity | None, cancel_since_ns: int = 0
) -> ServedRequest:
    """Return the entry of a request that is taken."""
    identity = {"inode": request.inode, "mtime_ns": request.mtime_ns, "size": request.size, "sha256": request.sha256}
    return ServedRequest(id=identifier, folder=folder, cancel_since_ns=cancel_since_ns, **identity)


class ServedRequests:
    """The file served.json. `entries` are in the order in which the requests were taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[ServedRequest] = []
        self.is_new = True

    def load(self) -> None:
        """Read the file; `is_new` is then whether there is no readable one. Raises OSError."""
        self.entries, self.is_new = [], True
        try:
            self.entries = _ENTRIES.validate_json(read_regular(self.path, _MAX_BYTES))
            self.is_new = False
        except FileNotFoundError:
            pass
        except (ValidationError, NotRegularError):
            log.error("cannot read '%s': what was served before is not known", self.path)  # noqa: TRY400 - no bug

    def of(self, identifier: str) -> ServedRequest | None:
        """Return the entry of a deployment, None where there is none."""
        return next((entry for entry in self.entries if entry.id == identifier), None)

    def serving(self, request: RequestPart) -> ServedRequest | None:
        """Return the entry of the request with this identity, None where it is a new one."""
        return next((entry for entry in self.entries if entry.is_for(request)), None)

    def remember(self, entry: ServedRequest) -> None:
        """Add an entry, durably, in place of one with its id. Raises OSError and leaves all as it was."""
        others = [other for other in self.entries if other.id != entry.id]
        with crash_point(CrashPoint.REQUEST_REMEMBERED):
            self._write([*others, entry][-MAX_ENTRIES:])

    def note(self, identifier: str, *, gone: bool = False, answered: bool = False) -> None:
        """Write down what became of a request, durably. Raises OSError."""
        entry = self.of(identifier)
        if entry is not None:
            new = entry.model_copy(update={"gone": entry.gone or gone, "answered": entry.answered or answered})
            if new != entry:
                self.remember(new)

    def forget(self, identifier: str) -> None:
        """Remove an entry, durably, after the deployment's `answered` is durable. Raises OSError."""
        if self.of(identifier) is not None:
            with crash_point(CrashPoint.REQUEST_FORGOTTEN):
                self._write([entry for entry in self.entries if entry.id != identifier])

    def write_again(self) -> None:
        """Write the file with the entries in memory, after somebody else has removed it. Raises OSError."""
        self._write(self.entries)

    def _write(self, entries: list[ServedRequest]) -> None:
        write_whole(self.path, _ENTRIES.dump_json(entries, indent=1) + b"\n", durable=True)
        self.entries, self.is_new = entries, False
