"""System calls that Python does not have, and a new file written whole: below every other module."""

import ctypes
import os

HERE = -100  # AT_FDCWD (openat(2)): names count from the current folder
NO_REPLACE, EXCHANGE = 1, 2  # RENAME_NOREPLACE, RENAME_EXCHANGE (renameat2(2))
_CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(path: os.PathLike[str] | str, data: bytes, mode: int, *, durable: bool, folder: int | None = None) -> None:
    """Write a file that was not there: FileExistsError where something is, a link too. Raises OSError."""
    descriptor = os.open(path, _CREATED, mode, dir_fd=folder)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask says; it is ours, nobody had it before
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(
    source: os.PathLike[str] | str,
    target: os.PathLike[str] | str,
    flags: int,
    source_folder: int = HERE,
    target_folder: int = HERE,
) -> None:
    """Rename by renameat2(2), with its flags. Raises OSError."""
    _call("renameat2", str(target), source_folder, os.fsencode(source), target_folder, os.fsencode(target), flags)


def sync_file_system(descriptor: int) -> None:
    """Make all that was written to the file system of an open file durable (syncfs(2)). Raises OSError."""
    _call("syncfs", None, descriptor)


def _call(name: str, path: str | None, *arguments: int | bytes) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
