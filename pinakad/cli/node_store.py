"""How do node files come into the nodes folder, and out of it, so that nobody ever sees half of one?

The folder belongs to producers, and pinakactl is one of them. Of ours one at a time (`locked`); against the others
there is link(2), which replaces nothing. Drafts have names that no producer uses and that the daemon does not look at.
"""

import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

from pinakad.cli.access import no_write
from pinakad.cli.session import FaultError
from pinakad.files import link_or_move, sync_folder, write_all
from pinakad.node_file import number_of
from pinakad.requests import OURS

RETIRED = "retired"
"""The sub-folder for the files of machines that are gone; the daemon reads no folder."""
_DRAFT = f"{OURS}draft-"
_MODE = 0o664
_LOCK_LIMIT_S = 30.0
_LOOK_S = 0.05


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other calls of pinakactl from storing node files or making requests meanwhile. Raises FaultError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise no_write(folder, error) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    ends_s = time.monotonic() + _LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > ends_s:
                text = f"another pinakactl has been at work in '{folder}' for {_LOCK_LIMIT_S:g} s; try again later"
                raise FaultError(text) from None
            time.sleep(_LOOK_S)
        else:
            return


def store(folder: Path, contents: Sequence[bytes]) -> list[str]:
    """Store node files under the next numbers and return their names. All of them, or FaultError and none.

    Each is there whole and durable, or not at all; no number is used again, not even a retired one's.
    """
    stored: list[str] = []
    drafts = {f"{_DRAFT}{secrets.token_hex(4)}-{position}": raw for position, raw in enumerate(contents)}
    try:
        _remove_drafts(folder)
        write_all(folder, drafts, _MODE)
        free = count(next_number(folder))
        stored.extend(_place(folder / draft, free) for draft in drafts)  # grows file by file: see below
        sync_folder(folder)
    except BaseException as error:
        for name in (*stored, *drafts):
            with suppress(OSError):
                (folder / name).unlink()
        if isinstance(error, OSError):
            raise no_write(folder, error) from error
        raise
    return stored


def retire(folder: Path, names: Sequence[str]) -> list[Path]:
    """Move node files aside and return their new places. Raises FaultError."""
    aside = folder / RETIRED
    try:
        if not aside.is_dir():
            aside.mkdir()
            aside.chmod(stat.S_IMODE(folder.stat().st_mode))  # whoever may store files may retire them
        places = [_move(folder / name, aside) for name in names]
        sync_folder(aside)
        sync_folder(folder)
    except OSError as error:
        raise no_write(folder, error) from error
    return places


def next_number(folder: Path) -> int:
    """Return the number after the highest that any node file has or had."""
    numbers = [number_of(name) for place in (folder, folder / RETIRED) if place.is_dir() for name in os.listdir(place)]  # noqa: PTH208 - only the names count
    return max((number for number in numbers if number is not None), default=0) + 1


def file_name(number: int) -> str:
    """Return the name that producers give to the node file of a number."""
    return f"node_{number:02d}.json"


def _place(draft: Path, free: Iterator[int]) -> str:
    while True:
        name = file_name(next(free))
        try:
            link_or_move(draft, draft.with_name(name))
        except FileExistsError:  # another producer was quicker: the next number
            continue
        return name


def _move(source: Path, aside: Path) -> Path:
    copies = 0
    while True:
        place = aside / (source.name if copies == 0 else f"{source.name}.{copies}")
        try:
            link_or_move(source, place)
        except FileExistsError:
            copies += 1
        else:
            return place


def _remove_drafts(folder: Path) -> None:
    """A call that was killed may have left some; the lock says that nobody works on them."""
    for entry in folder.glob(f"{_DRAFT}*"):
        entry.unlink(missing_ok=True)
