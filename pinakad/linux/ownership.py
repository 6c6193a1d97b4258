"""Who, other than root, could change what is found under a path?"""

import grp
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

from pinakad.linux.access_list import WRITE, Grant, access_list

_MAX_LINKS = 40  # path_resolution(7)


def weakness(path: Path, trusted: Collection[int] = (0,), *, shared: bool = False) -> str | None:
    """Return a sentence on who could change the file at `path`, and where; None if only the user ids `trusted` could.

    Each folder on the way counts, and each link. `shared`: the last entry may be writable by a group.
    Raises OSError where there is no such file.
    """
    return _weakness(path, frozenset(trusted), _MAX_LINKS, shared=shared)


def _weakness(path: Path, trusted: frozenset[int], links: int, *, shared: bool) -> str | None:
    for place in (*reversed(path.parents), path):
        status = place.lstat()
        if status.st_uid not in trusted:
            return f"'{place}' belongs to {_user(status.st_uid)}, who could change it"
        if stat.S_ISLNK(status.st_mode):
            if links == 0:
                return f"'{place}' is a link in a circle"
            rest = path.relative_to(place)
            target = Path(os.path.normpath(place.parent / place.readlink())) / rest
            return _weakness(target, trusted, links - 1, shared=shared)
        found = _writable(place, status, trusted, shared=shared and place == path)
        if found is not None:
            return found
    return None


def _writable(place: Path, status: os.stat_result, trusted: frozenset[int], *, shared: bool) -> str | None:
    """Return a sentence on who can write `place`, None for nobody else.

    In a folder with the sticky bit each entry belongs to its owner, which the next step checks.
    """
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return None
    if status.st_mode & stat.S_IWOTH:
        return f"'{place}' can be changed by everybody (mode {stat.S_IMODE(status.st_mode):04o})"
    if shared:
        return None
    found = access_list(place, status)
    if found.owning_group & WRITE and status.st_gid != 0:
        return f"'{place}' can be changed by the group {_group(status.st_gid)}"
    other = next(
        (grant for grant in found.named if grant.permissions & WRITE and not _is_trusted(grant, trusted)), None
    )
    return None if other is None else f"'{place}' can be changed by {name_of(other)} (see getfacl)"


def _is_trusted(grant: Grant, trusted: frozenset[int]) -> bool:
    return grant.number in trusted if grant.kind == "user" else grant.number == 0


def name_of(grant: Grant) -> str:
    """Return the name of the user or group of an access control entry, for a message."""
    name = _user(grant.number) if grant.kind == "user" else _group(grant.number)
    return name if name.startswith("user ") else f"the {grant.kind} {name}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user id {number}"


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return f"id {number}"
