"""Writes files completely or not at all, whatever crashes."""

import os
import stat
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from pinakad.linux import calls

_CHUNK = 1 << 16  # with buffers of a megabyte for each file the heap grows to three times its size


def write_whole(
    path: Path, data: bytes | Iterable[bytes], mode: int = 0o644, *, durable: bool, draft: Path | None = None
) -> None:
    """Atomically write `data`, which may come in pieces, to `path`.

    Write a draft, fsync (if `durable`), rename, fsync the folder (if `durable`).

    A symlink at `path` is replaced, not followed, and so is one at `draft` (default: `.<name>.new` beside `path`). A
    folder at one of them is renamed. Raises OSError; before the rename that leaves `path` as it was.
    """
    aside = draft or path.with_name(f".{path.name}.new")
    try:
        write_new(aside, data, mode, durable=durable)
        replace(aside, path)
    except OSError:
        with suppress(OSError):
            aside.unlink()
        raise
    if durable:
        sync_folder(path.parent)


def write_new(path: Path, data: bytes | Iterable[bytes], mode: int, *, durable: bool) -> None:
    """Write a file that no other process has open: an old file is unlinked first, not written to. Raises OSError."""
    _make_way(path)
    calls.create(path, data, mode, durable=durable)


class SlowDraft:
    """A file that is written piece by piece, with other work in between, and then replaces `path`. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.progress")
        _make_way(self._draft)
        self._descriptor = calls.open_new(self._draft, 0o644)

    def write(self, data: bytes) -> None:
        """Write the next piece."""
        calls.write(self._descriptor, data)

    def put_in_place(self) -> None:
        """Replace the file by what was written, without waiting for the disk."""
        replace(self._draft, self._path)

    def close(self) -> None:
        """End it; what was not put in place is removed."""
        os.close(self._descriptor)
        with suppress(OSError):
            self._draft.unlink()


def link_new(source: Path, target: Path) -> None:
    """Give a file the second name `target`; an old file of that name is removed. Raises OSError."""
    _make_way(target)
    os.link(source, target)


def replace(source: Path, target: Path) -> None:
    """Rename a file to `target`, even over a folder, which is renamed: it must not block a verdict. Raises OSError."""
    try:
        source.rename(target)
    except IsADirectoryError:
        _put_aside(target)
        source.rename(target)


def _make_way(path: Path) -> None:
    try:
        path.unlink()
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        _put_aside(path)


def _put_aside(path: Path) -> None:
    """Rename a folder that is where a file of ours belongs: its content is unknown, so it is not removed."""
    path.rename(path.with_name(f"{path.name}.{time.monotonic_ns()}"))


def make_folder(path: Path) -> None:
    """Make a folder of mode 0755, whatever the umask is. Raises FileExistsError and OSError."""
    path.mkdir(mode=0o755)
    path.chmod(0o755)


def write_all(folder: Path, files: Mapping[str, bytes], mode: int) -> None:
    """Write many files (name -> content) into a new, empty folder, and sync once for all of them. Raises OSError."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name, data in files.items():
            calls.create(name, data, mode, durable=False, folder=place)
    finally:
        os.close(place)
    sync_file_system(folder)


def link_or_move(source: Path, target: Path, *, durable: bool = False) -> None:
    """Give a file another name, by link(2) where possible. Raises FileExistsError for a name in use, and OSError.

    A folder cannot have a second name, and a file of another user may not get one (fs.protected_hardlinks, proc(5)):
    renameat2(2) with RENAME_NOREPLACE moves these.
    `durable`: the new name is durable before the old one is removed, and the removal is durable on return. A power cut
    leaves the old name, both names or the new one, never none.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except PermissionError:
        calls.rename(source, target, calls.NO_REPLACE)
    else:
        if durable:
            sync_folder(target.parent)
        source.unlink()
    if durable:
        sync_folder(source.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_if_regular(path: Path) -> None:
    """Make content and times of a regular file durable; other entries, and files that cannot be opened, are skipped."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if is_regular(os.fstat(descriptor)):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Make everything written to the file system of `folder` durable (syncfs(2)). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        calls.sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a regular file, at most `limit` + 1 bytes: a longer result means that it is too large.

    Raises NotRegularError for anything else (a link is not followed, a pipe is not waited for), and OSError.
    """
    descriptor = open_regular(path)
    try:
        return read_up_to(descriptor, limit + 1)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> int:
    """Open a regular file for reading; the caller closes the descriptor. Raises NotRegularError and OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if path.is_symlink() or (not path.is_file() and path.exists()):
            raise NotRegularError(str(path)) from None
        raise error from None
    if not is_regular(os.fstat(descriptor)):
        os.close(descriptor)
        raise NotRegularError(str(path))
    return descriptor


def is_regular(status: os.stat_result) -> bool:
    """Return whether the status is that of a regular file."""
    return stat.S_ISREG(status.st_mode)


def read_up_to(descriptor: int, limit: int) -> bytes:
    """Return the next bytes of an open file, up to its end or `limit` bytes. Raises OSError."""
    data = bytearray()  # it grows in place: a report of thousands of nodes has many chunks
    while len(data) < limit and (chunk := os.read(descriptor, min(limit - len(data), _CHUNK))):
        data += chunk
    return bytes(data)


class NotRegularError(Exception):
    """There is a folder, a link, a pipe or the like instead of a regular file; the message is the path."""
