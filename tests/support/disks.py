"""A disk that can be full or read-only: a small tmpfs, and a bind mount on top of a folder. Root only."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = 4096
_FILLER = ".filler"


def require_root() -> None:
    """Skip the test where nothing can be mounted."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")


class Disk:
    """A tmpfs on a folder. `leave` fills it but for some pages, `fill` and keeps it full, `free` makes room again."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        _run("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "pinakad-test", str(folder))
        self._stop = threading.Event()
        self._filler: threading.Thread | None = None

    def leave(self, pages: int) -> None:
        """Fill it but for so many pages."""
        with (self.folder / _FILLER).open("ab", buffering=0) as file:
            while self._take_a_page(file.fileno()):
                pass
            file.truncate(max(0, file.tell() - pages * PAGE))

    def fill(self) -> None:
        """Fill it, and take every page that becomes free, until `free`."""
        self.leave(0)
        self._filler = threading.Thread(target=self._keep_full, name="filler")
        self._filler.start()

    def free(self) -> None:
        """Make room."""
        self._stop_filler()
        (self.folder / _FILLER).unlink(missing_ok=True)

    def close(self) -> None:
        """Take the disk away."""
        self._stop_filler()
        _run("umount", "--lazy", str(self.folder))

    def _stop_filler(self) -> None:
        if self._filler is not None:
            self._stop.set()
            self._filler.join()
            self._stop.clear()
            self._filler = None

    def _keep_full(self) -> None:
        with (self.folder / _FILLER).open("ab", buffering=0) as file:
            while not self._stop.is_set():
                if not self._take_a_page(file.fileno()):
                    self._stop.wait(0.001)

    def _take_a_page(self, descriptor: int) -> bool:
        try:
            return os.write(descriptor, bytes(PAGE)) > 0
        except OSError:
            return False


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make the way to a folder read-only, whoever has files in it open."""
    _run("mount", "--bind", str(folder), str(folder))
    try:
        _run("mount", "-o", "remount,bind,ro", str(folder))
        yield
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
