"""Is there a daemon for a folder, a supervisor for a run? Locks answer.

flock(2) needs no permission but to open a file, for reading is enough. So no other user can open the lock file of the
state folder, and a lock on a folder that others can open counts only where a process of ours holds it.
"""

import fcntl
import logging
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from pinakad.events import Event, fields

log = logging.getLogger(__name__)

_MODE = 0o600
_PYTHON = ("python", "pypy")
_LOCK_TRIES, _LOCK_PAUSE_S = 10, 0.02  # `is_locked` in another process holds the lock for a moment, too


class LockedError(Exception):
    """Another daemon uses this folder."""


class Holder(NamedTuple):
    """A process that holds a lock; `user` (its real user id) is None where it has ended or is not visible.

    `program` is the path of its executable, "" where that is not visible. `command` is its command line, which any
    process can choose.
    """

    pid: int
    user: int | None
    command: str
    program: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether the process is another pinakad of the same user.

        A lock is inherited by child processes, and a child of sudo(8) has the real user id of root; root sees its
        executable. The executable of a process of our own user in another user namespace is not visible: such a process
        is ours by its user id.
        """
        is_python = not self.program or Path(self.program).name.startswith(_PYTHON)
        runs = is_python and "pinakad" in self.command
        return self.pid != os.getpid() and self.user == os.getuid() and runs

    def __str__(self) -> str:
        return f"process {self.pid} (user id {self.user}: {self.command or 'unknown'})"


def lock(path: Path) -> int:
    """Lock a file of ours until this process ends; return the descriptor that holds the lock.

    A file that other users can open, as earlier versions made it, may be locked by any of them: it is replaced. Raises
    LockedError where another pinakad holds the lock, and OSError.
    """
    for _ in range(_LOCK_TRIES):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
        held, loose = try_lock(descriptor), bool(os.fstat(descriptor).st_mode & ~_MODE & 0o777)
        if held and not loose and _is_still(path, descriptor):
            return descriptor
        try:
            if loose and (held or not any(holder.is_ours for holder in holders(path))):
                return _replaced(path)
        finally:
            os.close(descriptor)
        time.sleep(_LOCK_PAUSE_S)
    raise LockedError(f"cannot use '{path}': another pinakad uses it")


def _replaced(path: Path) -> int:
    """Replace the lock file by a new one that is locked already; return its descriptor. Raises OSError."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft.rename(path)
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file without waiting; return False where another process holds the lock. Raises OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    return False


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file. The check itself holds it for a moment, too.

    Where this process may not open the file, the kernel's list of locks decides: its entries could open it.
    A link is not followed, a pipe is not waited for. Nothing is raised: a file that is missing is not locked.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return bool(holders(path))
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holders(path: Path, kinds: tuple[str, ...] = ("WRITE",)) -> list[Holder]:
    """Return the processes that hold an exclusive flock on a file or folder, as far as proc_locks(5) shows them.

    With "READ" among `kinds`, the holders of shared ones as well: these block an exclusive lock just the same.
    """
    try:
        file = _name_in_list(path)
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
    words = (line.split() for line in lines)  # `1: FLOCK  ADVISORY  WRITE 2417 fe:00:2236980 0 EOF`
    found = [_holder(row[4]) for row in words if row[1] == "FLOCK" and row[3] in kinds and row[5] == file]
    return [holder for holder in found if holder is not None]


def _name_in_list(path: Path) -> str:
    """Return how proc_locks(5) names a file: by device and inode of its file system. Raises OSError and ValueError.

    Those of stat(2) may differ (overlay, btrfs); fdinfo (proc_pid_fdinfo(5)) has the inode and the mount.
    """
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
        inode = os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
    info = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    devices = {row[0]: row[2] for row in (line.split(" ", 3) for line in mounts)}
    major, minor = devices.get(info["mnt_id"].strip(), "0:0").split(":")
    return f"{int(major):02x}:{int(minor):02x}:{info.get('ino', str(inode)).strip()}"


def _holder(pid: str) -> Holder | None:
    """Return the process with a pid, None for no number. Its user is the real one: set-user-ID does not change it."""
    if not pid.isdigit():
        return None
    user, command, program = None, "", ""
    with suppress(OSError, ValueError, IndexError):
        text = Path("/proc", pid, "status").read_text(encoding="utf-8", errors="replace")
        user = int(text.partition("\nUid:")[2].split()[0])
        words = Path("/proc", pid, "cmdline").read_bytes()[:1000].split(b"\0")
        command = " ".join(ascii(os.fsdecode(word))[1:-1] for word in words if word)
        program = str(Path("/proc", pid, "exe").readlink())
    return Holder(int(pid), user, command, program)


class StateLock:
    """The lock of the state folder, by which other programs see that a daemon runs. A removed file is made again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Lock the file that is at the path now, unless it is locked by us already. Raises LockedError and OSError."""
        if self._descriptor is not None and _is_still(self._path, self._descriptor):
            return
        descriptor = lock(self._path)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor


class FolderLock:
    """The lock on a folder by its path; where the folder was replaced, the new one is locked.

    Any process that may list the folder can hold its lock. A holder that is not a pinakad of ours is logged, and the
    folder is used all the same.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._is_locked = False
        self._logged: list[int] = []

    def hold(self) -> None:
        """Lock the folder that is at the path now, unless it is locked already. Raises LockedError and OSError."""
        status = self._folder.stat()
        if self._descriptor is None or not os.path.samestat(os.fstat(self._descriptor), status):
            self._open()
        if not self._is_locked:
            self._lock()

    def _open(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor, self._is_locked = descriptor, False

    def _lock(self) -> None:
        self._is_locked = self._descriptor is not None and try_lock(self._descriptor)
        if self._is_locked:
            return
        found = holders(self._folder, ("READ", "WRITE"))
        if not found or any(
            holder.is_ours for holder in found
        ):  # no holder is visible: perhaps a pinakad in another container
            raise LockedError(f"cannot use '{self._folder}': another pinakad uses it")
        pids = [holder.pid for holder in found]
        if pids != self._logged:
            text = "the lock of '%s' is held by %s, which is no pinakad of ours; it is served all the same"
            log.warning(text, self._folder, found[0], extra=fields(Event.REQUEST_PROBLEM))
        self._logged = pids
