"""Locks: is there a daemon for a folder, a supervisor for a run?

flock(2) asks for no right but to open a file, be it for reading. So nobody else can open the lock of the state folder,
and the lock of a folder that others can open counts only where it is a process of ours that holds it.
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
_LOCK_TRIES, _LOCK_PAUSE_S = 10, 0.02  # who only looks whether a daemon runs holds the lock for a moment, too


class LockedError(Exception):
    """Another daemon has this folder."""


class Holder(NamedTuple):
    """A process that holds a lock; `user` is None for one that has ended or cannot be seen.

    `program` is the path of what it runs, "" where that cannot be seen: its words are for anybody to choose.
    """

    pid: int
    user: int | None
    command: str
    program: str = ""

    @property
    def is_ours(self) -> bool:
        """Tell whether it is another pinakad of the same user.

        A stranger's lock goes on in what he starts with it, and sudo(8) is root through and through. Root sees its
        program. We do not see that of another of our own user in another user namespace: it is ours by its user.
        """
        is_python = not self.program or Path(self.program).name.startswith(_PYTHON)
        runs = is_python and "pinakad" in self.command
        return self.pid != os.getpid() and self.user == os.getuid() and runs

    def __str__(self) -> str:
        return f"process {self.pid} (user id {self.user}: {self.command or 'unknown'})"


def lock(path: Path) -> int:
    """Lock a file of ours until this process ends; return the descriptor that holds it. Raises LockedError and OSError.

    A file that others could open, as earlier versions made it, may be locked by any of them: it is replaced.
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
    """Put a new file in place of the lock, which is locked already; return its descriptor."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        draft.unlink()
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    draft.rename(path)
    return descriptor


def try_lock(descriptor: int) -> bool:
    """Lock an open file at once, or return False where somebody else has it."""
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
    """Tell whether somebody holds the lock of a file. To look holds it for a moment, too.

    Where we may not open it, the kernel's list of locks tells: who is in there could open it.
    A link is not followed, a pipe not waited for.
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
    """Return who holds the flock on a file or folder for itself alone, as far as proc_locks(5) shows it to us.

    With "READ" among `kinds`, those who share it, too: they are as much in the way.
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
    """Return how proc_locks(5) names a file: device and inode of its file system.

    Of stat(2) neither is sure to be that (overlay, btrfs); fdinfo (proc_pid_fdinfo(5)) has the inode and the mount.
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
    """Return who has a pid. Its real user counts, which no program with another's rights changes."""
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
    """The lock of the state folder, by which others know that a daemon runs. Its file is made again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Make sure that the file which is there now is locked by us. Raises LockedError and OSError."""
        if self._descriptor is not None and _is_still(self._path, self._descriptor):
            return
        descriptor = lock(self._path)
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = descriptor


class FolderLock:
    """The lock on a folder by its path; where the folder was replaced, the new one is locked.

    Anybody who may look into the folder can hold its lock. Who is no pinakad of ours is named, and in nobody's way.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._descriptor: int | None = None
        self._is_locked = False
        self._logged: list[int] = []

    def hold(self) -> None:
        """Make sure that the folder which is there now is ours. Raises LockedError and OSError."""
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
        if not found or any(holder.is_ours for holder in found):  # none: one in another container, perhaps
            raise LockedError(f"cannot use '{self._folder}': another pinakad uses it")
        pids = [holder.pid for holder in found]
        if pids != self._logged:
            text = "the lock of '%s' is held by %s, which is no pinakad of ours; it is served all the same"
            log.warning(text, self._folder, found[0], extra=fields(Event.REQUEST_PROBLEM))
        self._logged = pids
