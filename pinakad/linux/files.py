"""Writes files so that they are there whole, or not at all, whatever crashes."""

import os
import stat
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pinakad.linux import calls

_CHUNK = 1 << 16  # room for a megabyte, given back each time, leaves the heap three times as large


def write_whole(path: Path, data: bytes, mode: int = 0o644, *, durable: bool, draft: Path | None = None) -> None:
    """Put `data` under the name `path`: write aside, fsync (if `durable`), rename, fsync the folder.

    A symlink at `path` is replaced, not followed; `draft` (default: `.<name>.new` beside it) is never followed either.
    A folder in the place of one of them gets another name. Raises OSError and leaves `path` as it was where that cannot
    be done.
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


def write_new(path: Path, data: bytes, mode: int, *, durable: bool) -> None:
    """Write a file that nobody else has open: what stood under the name is unlinked first, never written through."""
    _make_way(path)
    calls.create(path, data, mode, durable=durable)


def link_new(source: Path, target: Path) -> None:
    """Give a file a second name, which is ours: what stands there goes."""
    _make_way(target)
    os.link(source, target)


def replace(source: Path, target: Path) -> None:
    """Rename a file, whatever stands at `target`, which is ours: a folder there must not hold up a verdict."""
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
    """Give a folder that stands where a file of ours belongs another name: there is no telling what is in it."""
    path.rename(path.with_name(f"{path.name}.{time.monotonic_ns()}"))


def make_folder(path: Path) -> None:
    """Make a folder for everybody to look into, whatever the umask says. Raises OSError, also where one is."""
    path.mkdir(mode=0o755)
    path.chmod(0o755)


def write_all(folder: Path, files: Mapping[str, bytes], mode: int) -> None:
    """Write many files into `folder`, which is new and empty, and make them durable with one sync for all."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name, data in files.items():
            calls.create(name, data, mode, durable=False, folder=place)
    finally:
        os.close(place)
    sync_file_system(folder)


def link_or_move(source: Path, target: Path, *, durable: bool = False) -> None:
    """Give a file another name, at which nothing may stand: FileExistsError. Where it can, link(2) does it.

    A folder has no second name, and a file of somebody else's may get none (fs.protected_hardlinks, proc(5)): for
    these, renameat2(2), which Python does not offer, moves and replaces nothing either.
    `durable`: the new name is durable before the old one goes, and that is durable at the return. A power cut leaves
    the old name, both or the new one, never none.
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
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_if_regular(path: Path) -> None:
    """Make a file's content and times durable; anything else, or what cannot be opened, is left as it is."""
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
    """Make all that was written to the file system of `folder` durable (syncfs(2), which Python does not offer)."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        calls.sync_file_system(descriptor)
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int) -> bytes:
    """Return the content of a regular file, at most `limit` + 1 bytes: whoever gets more than `limit` refuses it.

    Raises NotRegularError for anything else (a link is not followed, a pipe is not waited for), and OSError.
    """
    descriptor = open_regular(path)
    try:
        return read_up_to(descriptor, limit + 1)
    finally:
        os.close(descriptor)


def open_regular(path: Path) -> int:
    """Open a regular file to read it; the caller closes the descriptor. Raises as `read_regular` does."""
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
    """Tell whether it is a regular file."""
    return stat.S_ISREG(status.st_mode)


def read_up_to(descriptor: int, limit: int) -> bytes:
    """Read until the end or `limit` bytes."""
    data = b""
    while len(data) < limit and (chunk := os.read(descriptor, min(limit - len(data), _CHUNK))):
        data += chunk
    return data


class NotRegularError(Exception):
    """There is a folder, a link, a pipe or the like where a file is needed."""
