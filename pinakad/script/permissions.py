"""Who else could decide what runs here or log in to the nodes: is that refused, or only warned of?

What OpenSSH and sudo would frown at. Anybody's script is never run as root; everything else is a warning.
"""

import os
import stat
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from pinakad.linux.access_list import READ, WRITE, access_list
from pinakad.linux.ownership import name_of, weakness
from pinakad.problems import Code, Problem, Spot

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def refusal(script: Path) -> str | None:
    """Return why the script is not run as root, None where it may be or where we are not root. Raises OSError."""
    if os.getuid() != 0:
        return None
    real = script.resolve()
    for place in (real, *real.parents):
        mode = stat.S_IMODE(place.stat().st_mode)
        if mode & stat.S_IWOTH and not (place != real and mode & stat.S_ISVTX):
            return f"'{place}' can be changed by everybody (mode {mode:04o}), and it would run as root; chmod o-w it"
    return None


def script_warnings(script: Path) -> list[Problem]:
    """Return a warning about a script that others than root and this user could change."""
    with suppress(OSError):
        found = weakness(script.absolute(), {0, os.getuid()})
        if found is not None:
            text = f"{found}, and with it what runs as user id {os.getuid()}; chown it, or chmod go-w"
            return [Spot(script.name).warning(Code.LOOSE_PERMISSIONS, text)]
    return []


def key_warnings(key: Path) -> list[Problem]:
    """Return a warning about a private key that others may read: ssh(1) would ignore a key of its user's then."""
    with suppress(OSError):
        opened = opened_key(key, os.getuid(), {os.getegid(), *os.getgroups()})
        if opened is not None:
            text = f"the private key '{key}' is open to others ({opened[0]}); {opened[1]}"
            return [Spot(key.name).warning(Code.LOOSE_PERMISSIONS, text)]
    return []


def opened_key(key: Path, user: int, groups: Collection[int]) -> tuple[str, str] | None:
    """Return to whom but `user` a key is open by its mode or its access control list, and what closes it.

    `groups` are those of that user. Raises OSError.
    """
    status = key.stat()
    forbidden = _OTHERS if status.st_uid == user else stat.S_IRWXO | stat.S_IWGRP
    found = access_list(key.resolve(), status)
    mode = status.st_mode & ~stat.S_IRWXG | found.owning_group << 3  # with a list the mode's group bits are its mask
    if mode & forbidden:
        return f"mode {stat.S_IMODE(status.st_mode):04o}", "chmod 600 it"
    trusted = {"user": {0, user}, "group": {0, *groups}}
    used = (grant for grant in found.named if grant.permissions & (READ | WRITE))
    other = next((grant for grant in used if grant.number not in trusted[grant.kind]), None)
    return None if other is None else (f"{name_of(other)} may use it, see getfacl", "setfacl -b it")
