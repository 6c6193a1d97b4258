"""Acts with another user's rights for a moment: root then can do in that user's folder what the user could do."""

import os
import pwd
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SETGID, _SETUID = 1 << 6, 1 << 7  # capabilities(7)


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of one user. While they are held, no process of that user can signal or trace this one: the real user
    id stays.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]

    @classmethod
    def of_owner(cls, status: os.stat_result) -> "Rights | None":
        """Return the rights of a folder's owner; None where this process is not root, or the owner is."""
        if status.st_uid == 0 or not has_rights_of_all():
            return None
        try:
            user = pwd.getpwuid(status.st_uid)
        except KeyError:  # a user without an entry in passwd(5), as in a container
            return cls(status.st_uid, status.st_gid, (status.st_gid,))
        return cls(user.pw_uid, user.pw_gid, tuple(os.getgrouplist(user.pw_name, user.pw_gid)))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have these rights and no others, in every thread. Raises PermissionError where they cannot be changed.

        Only make system calls inside: a late import of Python may read a file that is closed to that user.
        """
        before = Rights(os.geteuid(), os.getegid(), tuple(os.getgroups()))
        try:
            self._take()
            yield
        finally:
            before._take()

    def _take(self) -> None:
        os.seteuid(0)
        os.setgroups(self.groups)  # first the groups: afterwards this is not allowed any more
        os.setegid(self.gid)
        os.seteuid(self.uid)


def held(rights: Rights | None) -> AbstractContextManager[None]:
    """Return a context with these rights; with None the rights stay as they are."""
    return nullcontext() if rights is None else rights.held()


@cache
def has_rights_of_all() -> bool:
    """Return whether this process is root and may change its rights: CAP_SETUID and CAP_SETGID (capabilities(7))."""
    if os.getuid() != 0:
        return False
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    effective = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return effective & (_SETGID | _SETUID) == _SETGID | _SETUID
