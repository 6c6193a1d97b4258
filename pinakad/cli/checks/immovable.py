"""Which names of the marker folder could the daemon not remove when it has to?"""

import fcntl
import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.account import Account
from pinakad.cli.checks.context import Finding, warning
from pinakad.linux.files import NotRegularError, open_regular
from pinakad.markers.names import CANCEL, COMPLETED, FAILED, OURS, REQUEST

_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS (ioctl_iflags(2))
_IMMUTABLE = 0x10 | 0x20  # FS_IMMUTABLE_FL, FS_APPEND_FL


def immovable(folder: Path, names: set[str], account: Account) -> Iterator[Finding]:
    """Return a warning for each name of ours that cannot be removed; while it is there it is in the way."""
    for name in sorted(names):
        if name in (REQUEST, CANCEL, COMPLETED, FAILED) or name.startswith(OURS):
            found = _why(folder, name, account)
            if found is not None:
                yield warning(f"'{name}' cannot be removed by the daemon: {found[0]}", found[1])


def _why(folder: Path, name: str, account: Account) -> tuple[str, str] | None:
    """Return why a name cannot be removed and what mends it, None where it can. Raises OSError."""
    path, place = folder / name, quote(str(folder / name))
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(status.st_mode) and next(path.iterdir(), None) is not None:
        return "it is a folder that is not empty", f"rm -r {place}"
    around = folder.stat()
    if around.st_mode & stat.S_ISVTX and account.uid not in (0, around.st_uid, status.st_uid):
        return (
            f"it is somebody else's, and '{folder}' keeps it for its owner (sticky bit)",
            f"chmod -t {quote(str(folder))}",
        )
    if _is_immutable(path):
        return "it is immutable", f"chattr -ia {place} && rm {place}"
    return None


def _is_immutable(path: Path) -> bool:
    """A file system without such flags has no immutable file."""
    try:
        descriptor = open_regular(path)
    except (OSError, NotRegularError):
        return False
    try:
        (flags,) = struct.unpack_from("=I", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8)))
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return bool(flags & _IMMUTABLE)
