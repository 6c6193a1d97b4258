"""Store node files in the nodes folder and move them out of it, so that no reader ever sees half of one.

The folder belongs to producers, and pinakactl is one of them. Its calls exclude each other by a lock (`locked`); other
producers are safe from us because link(2) replaces nothing. Drafts have names that no producer uses and that the daemon
ignores. No link in the folder is followed, and root works there with the rights of the folder's owner.
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pinakad.client.access import opened
from pinakad.client.errors import LockedFolderError, NoLockError, NoWriteError
from pinakad.linux.lock_file import LockFile
from pinakad.linux.open_folder import OpenFolder
from pinakad.markers.names import OURS
from pinakad.nodes.node_file import number_of

RETIRED = "retired"
"""The sub-folder for the files of machines that are gone; the daemon reads no folder."""
_DRAFT = f"{OURS}draft-"
_LOCK = f"{OURS}lock"
_MODE = 0o664
_LOCK_LIMIT_S = 30.0
_RETRY_S = 0.05


@contextmanager
def locked(path: Path) -> Iterator[OpenFolder]:
    """Open the nodes folder, and keep other calls of pinakactl from working in it meanwhile. Raises NoWriteError,
    LockedFolderError and NoLockError.

    A caller without the right to write takes no lock: it can change nothing, and a dry run needs no such right.
    """
    with opened(path) as folder:
        lock = LockFile(folder, _LOCK)
        if folder.may_write():
            _take(lock, path)
        try:
            yield folder
        finally:
            lock.release()


def _take(lock: LockFile, path: Path) -> None:
    ends_s = time.monotonic() + _LOCK_LIMIT_S
    try:
        while not lock.take():
            if time.monotonic() > ends_s:
                raise LockedFolderError(path, path / _LOCK, _LOCK_LIMIT_S)
            time.sleep(_RETRY_S)
    except OSError as error:
        raise NoLockError(path / _LOCK, error) from error


def store(folder: OpenFolder, contents: Sequence[bytes]) -> list[str]:
    """Store node files under the next numbers and return their names. Raises NoWriteError; then none is stored.

    Each is there whole and durable, or not at all; no number is used again, not even that of a retired file.
    """
    stored: list[str] = []
    drafts = {f"{_DRAFT}{secrets.token_hex(4)}-{position}": raw for position, raw in enumerate(contents)}
    try:
        _remove_drafts(folder)
        free = count(next_number(folder))
        folder.create_all(drafts, _MODE)
        stored.extend(_place(folder, draft, free) for draft in drafts)  # grows file by file: see below
        folder.sync()
    except BaseException as error:
        for name in (*stored, *drafts):
            with suppress(OSError):
                folder.remove(name)
        if isinstance(error, OSError):
            raise NoWriteError(folder.path, error) from error
        raise
    return stored


def retire(folder: OpenFolder, names: Sequence[str]) -> list[Path]:
    """Move node files aside and return their new places. Raises NoWriteError."""
    with _retired(folder, make=True) as aside:  # every account that may store files may retire them
        try:
            folder.sync()  # a power cut must not take the new folder and leave the moves
            places = [_move(folder, name, aside) for name in names]
            aside.sync()
            folder.sync()
        except OSError as error:
            raise NoWriteError(folder.path, error) from error
    return places


def next_number(folder: OpenFolder) -> int:
    """Return the number after the highest that any node file has or had. Raises OSError and NoWriteError."""
    names = folder.names()
    if RETIRED in names:
        with _retired(folder) as aside:
            names += aside.names()
    numbers = [number_of(name) for name in names]
    return max((number for number in numbers if number is not None), default=0) + 1


def _retired(folder: OpenFolder, *, make: bool = False) -> OpenFolder:
    try:
        return folder.below(RETIRED, make=make)
    except OSError as error:
        raise NoWriteError(folder.path / RETIRED, error) from error


def file_name(number: int) -> str:
    """Return the name that producers give to the node file with this number."""
    return f"node_{number:02d}.json"


def _place(folder: OpenFolder, draft: str, free: Iterator[int]) -> str:
    while True:
        name = file_name(next(free))
        try:
            folder.link_or_move(draft, folder, name)
        except FileExistsError:  # another producer was quicker: the next number
            continue
        return name


def _move(folder: OpenFolder, name: str, aside: OpenFolder) -> Path:
    for copies in count():
        new_name = name if copies == 0 else f"{name}.{copies}"
        try:
            folder.link_or_move(name, aside, new_name)
        except FileExistsError:
            continue
        return aside.path / new_name
    raise AssertionError


def _remove_drafts(folder: OpenFolder) -> None:
    """Remove the drafts of a call that was killed. The lock is held, so no other call works on them."""
    for name in folder.names():
        if name.startswith(_DRAFT):
            with suppress(OSError):  # a folder of that name, say, is no reason to fail
                folder.remove(name)
