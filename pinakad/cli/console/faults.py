"""What can an operator do about each error of client/, and which exit code has it?"""

import errno
import grp
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pinakad.cli.console.exits import EXIT_NO_DAEMON, EXIT_NOTHING, EXIT_TIMED_OUT
from pinakad.cli.console.session import EXIT_USAGE
from pinakad.client import errors
from pinakad.client.errors import ClientError
from pinakad.linux.rights import has_rights_of_all

_EXIT_CODES: dict[type[ClientError], int] = {
    errors.WrongNameError: EXIT_USAGE,
    errors.NothingToFollowError: EXIT_NOTHING,
    errors.NothingToRetryError: EXIT_NOTHING,
    errors.RequestRemovedError: EXIT_NOTHING,
    errors.TimedOutError: EXIT_TIMED_OUT,
    errors.NoDaemonError: EXIT_NO_DAEMON,
}
_REMEDIES: dict[type[ClientError], str | Callable[[Any], str]] = {
    errors.NoWriteError: lambda error: _remedy(error.folder, error.error),
    errors.NoReadError: lambda error: (
        "ask with sudo, or as the daemon's user" if isinstance(error.error, PermissionError) else "see pinakactl doctor"
    ),
    errors.NoMarkersError: "pinakactl setup makes it, sudo reads it",
    errors.NoStateError: "ask as root or as the daemon's user",
    errors.UnreadableReportError: "pinakactl doctor tells more",
    errors.NoDeploymentError: "pinakactl status tells what goes on",
    errors.UnknownDeploymentError: "pinakactl history lists them",
    errors.AmbiguousDeploymentError: "write more of it",
    errors.UnknownNodeError: lambda error: f"pinakactl show {error.identifier} lists its nodes",
    errors.AmbiguousNodeError: "write the whole name or the address",
    errors.SourceError: lambda error: "" if error.is_regular else f"for a folder's files write {error.path}/*.json",
    errors.LockedFolderError: lambda error: f"try again later, or, where none runs, rm '{error.lock}'",
    errors.NoLockError: "rm it where it is no file",
    errors.UnsoundRequestError: "remove it",
    errors.BusyMarkersError: "try again",
    errors.NothingToFollowError: "pinakactl apply makes one",
    errors.NoDaemonError: "systemctl start pinakad",
    errors.StoredOnlyError: "pinakactl apply again asks for them, or touch the marker",
    errors.NothingToRetryError: "pinakactl history lists the others",
    errors.NoAnswerError: "pinakactl doctor tells whether the daemon makes progress",
    errors.NotOverError: "pinakactl wait waits for it, pinakactl cancel ends it",
    errors.NodesUnknownError: lambda error: error.remedy,
    errors.AskedForError: lambda error: f"pinakactl wait waits for it, rm '{error.place}' takes it back",
    errors.UnknownFileError: "pinakactl validate lists them",
    errors.AmbiguousFileError: lambda error: error.remedy,
    errors.TimedOutError: "pinakactl status tells more",
}


def text_of(error: ClientError) -> str:
    """Return what failed and why, and what to do about it."""
    remedy = next((_REMEDIES[kind] for kind in type(error).__mro__ if kind in _REMEDIES), "")
    words = remedy if isinstance(remedy, str) else remedy(error)
    joint = ", " if isinstance(error, errors.TimedOutError) else "; "
    return f"{error}{joint}{words}" if words else str(error)


def exit_code_of_error(error: ClientError) -> int:
    """Return the exit code that a command ends with."""
    return next((_EXIT_CODES[kind] for kind in type(error).__mro__ if kind in _EXIT_CODES), 1)


def _remedy(folder: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "pinakactl setup makes the folders, --config FILE names others"
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "it must be a folder, and no link where others may write: remove what is there"
    if isinstance(error, PermissionError) and has_rights_of_all():
        return "root works there with the rights of the folder's owner, or of the first other owner on the way to it"
    if isinstance(error, PermissionError):
        group = _group_of(folder)
        return f"join the group '{group}' (usermod -aG {group} YOU), or use sudo" if group else "use sudo"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "make room on that disk"
    return "pinakactl doctor tells more"


def _group_of(folder: Path) -> str | None:
    """Return the group that may write there; root's is not one to join."""
    try:
        status = folder.stat()
        return grp.getgrgid(status.st_gid).gr_name if status.st_gid and status.st_mode & 0o020 else None
    except (OSError, KeyError):
        return None
