"""System calls that Python does not wrap, and a file created with its whole content; no other module is below this."""

import ctypes
import os
from collections.abc import Iterable

HERE = -100  # AT_FDCWD (openat(2)): names are relative to the current folder
NO_REPLACE, EXCHANGE = 1, 2  # RENAME_NOREPLACE, RENAME_EXCHANGE (renameat2(2))
_CREATED = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(
    path: os.PathLike[str] | str,
    data: bytes | Iterable[bytes],
    mode: int,
    *,
    durable: bool,
    folder: int | None = None,
) -> None:
    """Create a file with the content `data`, which may come in pieces.

    `folder` is the descriptor that a relative path starts from.

    Raises FileExistsError where there is anything, a link too, and OSError.
    """
    descriptor = open_new(path, mode, folder)
    try:
        for piece in (data,) if isinstance(data, bytes) else data:
            write(descriptor, piece)
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_new(path: os.PathLike[str] | str, mode: int, folder: int | None = None) -> int:
    """Create a file and return its descriptor; see `create`."""
    descriptor = os.open(path, _CREATED, mode, dir_fd=folder)
    try:
        os.fchmod(descriptor, mode)  # the umask does not apply; the file is new, so no other process has it open
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def write(descriptor: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def rename(
    source: os.PathLike[str] | str,
    target: os.PathLike[str] | str,
    flags: int,
    source_folder: int = HERE,
    target_folder: int = HERE,
) -> None:
    """Rename with the flags of renameat2(2); the folders are descriptors. Raises OSError."""
    _call("renameat2", str(target), source_folder, os.fsencode(source), target_folder, os.fsencode(target), flags)


def sync_file_system(descriptor: int) -> None:
    """Make everything written to the file system of an open file durable (syncfs(2)). Raises OSError."""
    _call("syncfs", None, descriptor)


def set_of_process(option: int, value: int) -> None:
    """Set an option of this process (prctl(2)). Raises OSError."""
    _call("prctl", None, option, value, 0, 0, 0)


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call that the C library has no function for (syscall(2)); return its result. Raises OSError."""
    return _call("syscall", None, number, *arguments)


def _call(name: str, path: str | None, *arguments: int | bytes | None) -> int:
    result = getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(result)
