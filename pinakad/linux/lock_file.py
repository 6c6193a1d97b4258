"""A lock on a folder that only those can hold who may write in it.

flock(2) asks for no right but to open a file, be it for reading: the lock of a folder is anybody's who may list it. So
a file in it is locked, which is there while it is held, and which its owner and the folder's group can open.
"""

import fcntl
import os
import stat
from contextlib import suppress

from pinakad.linux.open_folder import OpenFolder

_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MODE_OF_GROUP = 0o660
_ACCESS_LIST = "system.posix_acl_access"


class LockFile:
    """The lock of an open folder; `name` is the file's. One object holds it once."""

    def __init__(self, folder: OpenFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take it, and tell whether nobody else has it. Raises OSError, also where no lock can be made."""
        with self._folder.acting():
            descriptor = self._open()
            if descriptor is None:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if not self._is_in_place(descriptor):  # it was released, and removed, meanwhile
                os.close(descriptor)
                return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give it back; the file goes, if it is still there."""
        if self._descriptor is None:
            return
        with self._folder.acting(), suppress(OSError):  # a sticky folder keeps what a killed call of another left
            if self._is_in_place(self._descriptor):
                os.unlink(self._name, dir_fd=self._folder.descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def _open(self) -> int | None:
        with suppress(FileNotFoundError):
            try:
                return os.open(self._name, _FLAGS, dir_fd=self._folder.descriptor)
            except PermissionError:  # somebody else's, who has not opened it to the group yet, or never will
                return None
        try:
            descriptor = os.open(self._name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder.descriptor)
        except FileExistsError:
            return None
        self._let_the_group_open(descriptor)
        return descriptor

    def _let_the_group_open(self, descriptor: int) -> None:
        """With the folder's default access list others could read the file, and reading is enough to lock it."""
        folder = os.fstat(self._folder.descriptor)
        with suppress(OSError):
            os.removexattr(descriptor, _ACCESS_LIST)
        if folder.st_mode & stat.S_IWGRP:
            with suppress(OSError):  # then it is its owner's alone
                os.chown(descriptor, -1, folder.st_gid)
                os.chmod(descriptor, _MODE_OF_GROUP)

    def _is_in_place(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            there = os.stat(self._name, dir_fd=self._folder.descriptor, follow_symlinks=False)
            return os.path.samestat(there, os.fstat(descriptor))
        return False
