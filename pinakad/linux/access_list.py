"""Who else may use a file by its access control list (acl(5))? The mode alone does not show it."""

import errno
import os
import stat
import struct
from pathlib import Path
from typing import Literal, NamedTuple

_ATTRIBUTE = "system.posix_acl_access"
_NO_LIST = (errno.ENODATA, errno.EOPNOTSUPP, errno.ENOSYS)
_VERSION = struct.Struct("<I")  # linux/posix_acl_xattr.h: the version, then entries of tag, permissions and id
_ENTRY = struct.Struct("<HHI")
_USER, _OWNING_GROUP, _GROUP, _MASK = 0x02, 0x04, 0x08, 0x10
READ, WRITE = 4, 2
"""The bits of `Grant.permissions`."""


class Grant(NamedTuple):
    """The permissions of a named user or group, after the mask; `number` is the user or group id."""

    kind: Literal["user", "group"]
    number: int
    permissions: int


class AccessList(NamedTuple):
    """The named users and groups, and the permissions of the owning group: without a list, those of the mode."""

    named: tuple[Grant, ...]
    owning_group: int


def access_list(path: Path, status: os.stat_result) -> AccessList:
    """Return who may use `path`, whose lstat is `status`, besides its owner and everybody. A link has no list.

    Raises OSError. Lists of NFSv4 are not found.
    """
    by_mode = AccessList((), status.st_mode >> 3 & 7)
    if stat.S_ISLNK(status.st_mode):
        return by_mode
    try:
        raw = os.getxattr(path, _ATTRIBUTE, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NO_LIST:
            return by_mode
        raise
    return parse(raw)


def parse(raw: bytes) -> AccessList:
    """Parse the bytes of the attribute. With a list, the group bits of the mode are its mask."""
    entries = list(_ENTRY.iter_unpack(raw[_VERSION.size :]))
    mask = next((permissions for tag, permissions, _ in entries if tag == _MASK), 7)
    named = tuple(
        Grant("user" if tag == _USER else "group", number, permissions & mask)
        for tag, permissions, number in entries
        if tag in (_USER, _GROUP)
    )
    group = next((permissions for tag, permissions, _ in entries if tag == _OWNING_GROUP), 0)
    return AccessList(named, group & mask)
