"""Ask the daemon to cancel the running deployment, and take that back where it came too late."""

from contextlib import suppress
from pathlib import Path

from pinakad.client.access import opened
from pinakad.client.errors import ClientError, NoWriteError
from pinakad.markers.names import CANCEL

_MODE = 0o664  # every account that may cancel may also take that back


def put_cancel(markers: Path) -> None:
    """Put the cancel marker there. One that is there already says the same, whatever it is. Raises NoWriteError."""
    with opened(markers) as folder:
        try:
            with suppress(FileExistsError):
                folder.create(CANCEL, b"", _MODE, durable=False)
        except OSError as error:
            raise NoWriteError(markers, error) from error


def take_back_cancel(markers: Path) -> None:
    """Remove the cancel marker: a deployment that was over before took no notice, and the next one would warn."""
    with suppress(OSError, ClientError), opened(markers) as folder:
        folder.remove(CANCEL)
