"""Whose rights count, and what may this user do with a path?"""

import grp
import os
import pwd
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pinakad.cli.install.installation import UNITS
from pinakad.printable import cause_of

SERVICE_USER = "pinakasupport"
UNIT_FILE = Path("/") / UNITS / "pinakad.service"
_WORDS = {os.R_OK: "read", os.W_OK: "write", os.X_OK: "enter", os.R_OK | os.X_OK: "list"}


@dataclass(frozen=True, slots=True)
class Account:
    """The user whose rights count: the daemon's. `groups` has its main group too."""

    name: str
    uid: int
    groups: frozenset[int]

    def obstacle(self, path: Path, wanted: int) -> str | None:
        """Return why the account may not use `path` for `wanted` (os.R_OK and the like), None where it may.

        Access control lists count only where the account is our own. Raises FileNotFoundError, and PermissionError
        where we ourselves may not look: that says nothing about the account.
        """
        for place in (*reversed(path.parents), path):
            needed = wanted if place == path else os.X_OK
            try:
                status = place.stat()
            except (FileNotFoundError, PermissionError):
                raise
            except OSError as error:
                return f"cannot look at '{place}': {cause_of(error)}"
            if not self._may(place, status, needed):
                mode = f"{stat.S_IMODE(status.st_mode):04o}, {_owner(status)}"
                return f"{self.name} may not {_WORDS.get(needed, 'use')} '{place}' ({mode})"
        return None

    def _may(self, place: Path, status: os.stat_result, needed: int) -> bool:
        if self.uid == os.geteuid():
            return os.access(place, needed, effective_ids=True) or _is_read_only(place)
        return self.uid == 0 or self.allowed(status) & needed == needed

    def allowed(self, status: os.stat_result) -> int:
        """Return what the mode allows the account, in the bits of os.R_OK and the like."""
        if status.st_uid == self.uid:
            return status.st_mode >> 6 & 7
        return status.st_mode >> 3 & 7 if status.st_gid in self.groups else status.st_mode & 7


def account_of(pid: int | None) -> Account:
    """Return the user of the running daemon; without one the service's, where it is installed, else our own."""
    if pid is not None:
        with suppress(OSError, ValueError, StopIteration):
            return _of_process(pid)
    if UNIT_FILE.exists():
        with suppress(KeyError):
            user = pwd.getpwnam(SERVICE_USER)
            return Account(user.pw_name, user.pw_uid, frozenset(os.getgrouplist(user.pw_name, user.pw_gid)))
    return Account(_user_name(os.geteuid()), os.geteuid(), frozenset({os.getegid(), *os.getgroups()}))


def _of_process(pid: int) -> Account:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    values = {line.partition(":")[0]: line.partition(":")[2].split() for line in lines}
    uid, groups = int(values["Uid"][1]), (values["Gid"][1], *values["Groups"])
    return Account(_user_name(uid), uid, frozenset(map(int, groups)))


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user id {uid}"


def _owner(status: os.stat_result) -> str:
    try:
        group = grp.getgrgid(status.st_gid).gr_name
    except KeyError:
        group = str(status.st_gid)
    return f"{_user_name(status.st_uid)}:{group}"


def _is_read_only(place: Path) -> bool:
    """A read-only file system is the finding of another check (room)."""
    return bool(os.statvfs(place).f_flag & os.ST_RDONLY)
