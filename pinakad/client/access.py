"""Open the folders that belong to producers of node files and requests."""

from pathlib import Path

from pinakad.client.errors import NoWriteError
from pinakad.linux.open_folder import OpenFolder, shared_folder


def opened(path: Path) -> OpenFolder:
    """Open a folder that others may write too. Raises NoWriteError."""
    try:
        return shared_folder(path)
    except OSError as error:
        raise NoWriteError(path, error) from error
