"""Change files on a machine or in an image, and print each change."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from pinakad.cli.console.session import FaultError
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.open_folder import folder_in

_MAX_BYTES = 1 << 24


class MachineChanges:
    """Changes files below `root`, a path of it at a time; with `dry_run` it only prints the changes.

    Paths are relative to the root and are followed inside it, whatever its links say. `changed`: something was written,
    linked or removed, or would be.
    """

    def __init__(self, root: Path, *, dry_run: bool) -> None:
        self.root = root
        self.changed = False
        self._dry_run = dry_run

    def write(self, place: Path, text: str) -> None:
        """Write a file, where it has another text. A link in its place is replaced. Raises OSError."""
        path, old = self.root / place, self._text(place)
        if old == text:
            click.echo(f"unchanged  {path}")
            return
        self._do("write" if old is None else "update", str(path), lambda: self._write(place, text))

    def make(self, place: Path, act: Callable[[], object]) -> None:
        """Make a file by `act`; its text is shown nowhere. Raises OSError."""
        self._do("write", str(self.root / place), act)

    def link(self, place: Path, target: Path) -> None:
        """Make a symbolic link; a file of another owner in its place is kept. Raises OSError."""
        path, (status, old) = self.root / place, self._found(place)
        if old == target:
            click.echo(f"unchanged  {path}")
        elif status is not None and old is None:
            click.echo(f"kept       {path}: it is not ours")
        else:
            self._do("link", f"{path} -> {target}", lambda: self._link(place, target))

    def remove(self, place: Path) -> None:
        """Remove a file or a link, where there is one. Raises OSError."""
        if self._found(place)[0] is not None:
            self._do("remove", str(self.root / place), lambda: self._remove(place))

    def has(self, place: Path, *, link: bool = False) -> bool:
        """Return whether there is anything, or (`link`) a symbolic link."""
        status, target = self._found(place)
        return target is not None if link else status is not None

    def run(self, *words: str) -> None:
        """Run a program. Raises FaultError with its stderr where it fails."""
        self._do("run", " ".join(words), lambda: _run(words), changes=False)

    def _do(self, verb: str, what: str, act: Callable[[], object], *, changes: bool = True) -> None:
        self.changed |= changes
        if self._dry_run:
            click.echo(f"would {verb:8} {what}")
            return
        act()
        click.echo(f"{verb:10} {what}")

    def _found(self, place: Path) -> tuple[os.stat_result | None, Path | None]:
        """Return the status of what is there and, where it is a link, where it leads."""
        with suppress(FileNotFoundError, NotADirectoryError), folder_in(self.root, place.parent) as folder:
            return folder.status(place.name), folder.readlink(place.name)
        return None, None

    def _text(self, place: Path) -> str | None:
        """Return the text of the file that is there, None where there is none."""
        missing = (FileNotFoundError, NotADirectoryError, NotRegularError)
        with suppress(*missing), folder_in(self.root, place.parent) as folder:
            return read_regular(folder.here / place.name, _MAX_BYTES).decode(errors="replace")
        return None

    def _write(self, place: Path, text: str) -> None:
        with folder_in(self.root, place.parent, make=True) as folder:
            if folder.readlink(place.name) is not None:
                folder.remove(place.name)
            folder.write_whole(place.name, text.encode(), 0o644)

    def _link(self, place: Path, target: Path) -> None:
        with folder_in(self.root, place.parent, make=True) as folder:
            folder.remove(place.name)
            folder.symlink(place.name, target)

    def _remove(self, place: Path) -> None:
        with folder_in(self.root, place.parent) as folder:
            folder.remove(place.name)


def _run(words: tuple[str, ...]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_COLORS": "0"})
    if done.returncode != 0:
        raise FaultError(f"cannot finish: '{' '.join(words)}' says: {' '.join(done.stderr.split())}")
