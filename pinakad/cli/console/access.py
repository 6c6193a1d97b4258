"""Why may this operator not write there, and what would let them?"""

import errno
import grp
from pathlib import Path

from pinakad.cli.console.session import FaultError
from pinakad.linux.open_folder import OpenFolder, shared_folder
from pinakad.linux.rights import has_rights_of_all
from pinakad.problems import cause_of


def opened(path: Path) -> OpenFolder:
    """Open a folder that others may write too. Raises FaultError."""
    try:
        return shared_folder(path)
    except OSError as error:
        raise no_write(path, error) from error


def no_write(folder: Path, error: OSError) -> FaultError:
    """Return the failure to write in a folder: what, why, and what to do about it."""
    return FaultError(f"cannot write in '{folder}': {cause_of(error)}; {_remedy(folder, error)}")


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
