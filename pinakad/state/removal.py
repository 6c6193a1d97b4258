"""Removes deployments whole: durably renamed first, then emptied.

However a removal is cut, an id has its whole folder or none: a part of it (`started` without a report) would be taken
for a run whose state is lost.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pinakad.linux.files import sync_folder

_TRASH = ".trash-"


def remove_deployments(deployments: Path, identifiers: Iterable[str]) -> None:
    """Remove these deployments' folders. One that cannot be renamed stays whole; no error is raised."""
    trash = []
    for identifier in identifiers:
        with suppress(OSError):
            place = deployments / f"{_TRASH}{identifier}"
            shutil.rmtree(place, ignore_errors=True)
            trash.append((deployments / identifier).rename(place))
    if trash:
        with suppress(OSError):
            sync_folder(deployments)
            for place in trash:
                shutil.rmtree(place, ignore_errors=True)


def empty_trash(deployments: Path) -> None:
    """End the removals that an earlier daemon had begun. Raises OSError where the folder cannot be listed."""
    for entry in os.scandir(deployments):
        if entry.name.startswith(_TRASH):
            shutil.rmtree(entry.path, ignore_errors=True)
