"""A lock on a folder that only processes which may write in the folder can hold.

flock(2) needs no permission but to open a file, for reading is enough: any process that may list a folder could lock
the folder itself. So a file in it is locked. The file exists while the lock is held, and only its owner and the
folder's group can open it.
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
    """The lock of an open folder; `name` is that of the lock file. An object holds the lock at most once."""

    def __init__(self, folder: OpenFolder, name: str) -> None:
        self._folder = folder
        self._name = name
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Take the lock; return False where another process holds it. Raises OSError, also without a lock file."""
        with self._folder.acting():
            descriptor = self._open()
            if descriptor is None:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            if not self._is_in_place(descriptor):  # the file was released and removed in the meantime
                os.close(descriptor)
                return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Release the lock and remove its file, if that is still in place."""
        if self._descriptor is None:
            return
        with (
            self._folder.acting(),
            suppress(OSError),
        ):  # in a sticky folder the file of another user, left by a killed process, cannot be removed
            if self._is_in_place(self._descriptor):
                os.unlink(self._name, dir_fd=self._folder.descriptor)
        os.close(self._descriptor)
        self._descriptor = None

    def _open(self) -> int | None:
        with suppress(FileNotFoundError):
            try:
                return os.open(self._name, _FLAGS, dir_fd=self._folder.descriptor)
            except PermissionError:  # another user's, who has not (or not yet) given access to the group
                return None
        try:
            descriptor = os.open(self._name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._folder.descriptor)
        except FileExistsError:
            return None
        self._let_the_group_open(descriptor)
        return descriptor

    def _let_the_group_open(self, descriptor: int) -> None:
        """Let only the folder's group open the file: by a default access list others could read and so lock it."""
        folder = os.fstat(self._folder.descriptor)
        with suppress(OSError):
            os.removexattr(descriptor, _ACCESS_LIST)
        if folder.st_mode & stat.S_IWGRP:
            with suppress(OSError):  # then only the owner can open it
                os.chown(descriptor, -1, folder.st_gid)
                os.chmod(descriptor, _MODE_OF_GROUP)

    def _is_in_place(self, descriptor: int) -> bool:
        with suppress(FileNotFoundError):
            there = os.stat(self._name, dir_fd=self._folder.descriptor, follow_symlinks=False)
            return os.path.samestat(there, os.fstat(descriptor))
        return False
