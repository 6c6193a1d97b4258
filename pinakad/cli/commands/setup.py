"""`pinakactl setup`: how does a machine come to run pinakad as a service, and how does it get rid of it?"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.cli.install.installation import PROGRAM_LINK, known_places, seen_on, wanted_files
from pinakad.cli.install.setup_checks import cautions, obstacles, work_dir_owner
from pinakad.config import DEFAULT_FILE, DEFAULT_STATE_DIR, Config, ConfigError, load
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.open_folder import folder_in
from pinakad.linux.walk import resolved_in
from pinakad.state.store import StateUnreadableError, Store

_UNIT = "pinakad.service"
_ROOTS_RECORD = Path("/var/lib/pinakad-script")
_SCRIPTS_RUNTIME = Path("/run/pinakad-script")
_MAX_BYTES = 1 << 24


class _Work:
    """Changes files of a machine, or with `dry_run` only says so; each change is a line of output."""

    def __init__(self, root: Path, *, dry_run: bool) -> None:
        self.root = root
        self.changed = False
        self._dry_run = dry_run

    def write(self, place: Path, text: str) -> None:
        path, old = self.root / place, self._text(place)
        if old == text:
            click.echo(f"unchanged  {path}")
            return
        self._do("write" if old is None else "update", str(path), lambda: self._write(place, text))

    def link(self, place: Path, target: Path) -> None:
        path, (status, old) = self.root / place, self._found(place)
        if old == target:
            click.echo(f"unchanged  {path}")
        elif status is not None and old is None:
            click.echo(f"kept       {path}: it is not ours")
        else:
            self._do("link", f"{path} -> {target}", lambda: self._link(place, target))

    def remove(self, place: Path) -> None:
        if self._found(place)[0] is not None:
            self._do("remove", str(self.root / place), lambda: self._remove(place))

    def has(self, place: Path, *, link: bool = False) -> bool:
        status, target = self._found(place)
        return target is not None if link else status is not None

    def run(self, *words: str) -> None:
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


_HELP = """Make pinakad a service of this machine.

\b
  pinakactl setup --dry-run     what would be done, and what speaks against it?
  pinakactl setup
  pinakactl setup --remove      state, configuration and folders stay

Installs the units, the user, the folders, the journal catalog and the manual pages from this package,
and enables pinakad.service; it does not start it. To be run again after an upgrade. Everything is checked before
anything is touched.
"""


@click.command(name="setup", help=_HELP)
@click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    metavar="DIR",
    default=Path("/"),
    help="Set up the image below DIR instead of this machine.",
)
@click.option("--dry-run", is_flag=True, help="Check, and tell what would be done.")
@click.option("--remove", is_flag=True, help="Take away what a setup brought; state, configuration and folders stay.")
@click.option("--force", is_flag=True, help="Go on although a check says no.")
@pass_session
def command(session: Session, root: Path, *, dry_run: bool, remove: bool, force: bool) -> None:
    """Set up, or take away."""
    root = root.resolve()
    os.umask(0o022)
    work = _Work(root, dry_run=dry_run)
    if remove:
        _refuse(_unfinished(root), force=force)
        _remove(work)
        return
    settings = _settings(session, root)
    _refuse([text for text in obstacles(settings, root) if not (dry_run and text.startswith("only root"))], force=force)
    _install(work, settings)
    for text in cautions(settings, root):
        click.echo(f"caution    {text}", err=True)
    _print_next_steps(work, settings)


def _settings(session: Session, root: Path) -> Config:
    if root == Path("/"):
        return session.settings()
    image_file = resolved_in(root, DEFAULT_FILE)
    try:
        return load(image_file) if image_file.exists() else Config()
    except ConfigError as error:
        raise WrongUseError(str(error)) from error


def _refuse(findings: list[str], *, force: bool) -> None:
    """End with all findings, unless the operator insists."""
    if findings and not force:
        raise FaultError("\n".join((*findings, "nothing was touched (--force goes on all the same)")))
    for text in findings:
        click.echo(f"forced     {text}", err=True)


def _install(work: _Work, settings: Config) -> None:
    wanted = wanted_files(settings, work.root, work_dir_owner(settings, work.root))
    for place in known_places():
        if place in wanted:
            work.write(place, wanted[place])
        else:
            work.remove(place)
    work.link(PROGRAM_LINK, seen_on(work.root, Path(sys.prefix)) / "bin" / "pinakactl")
    work.run("systemd-sysusers", *_root(work), "pinakad.conf")
    work.run("systemd-tmpfiles", *_root(work), "--create", "pinakad.conf")
    work.run("journalctl", *_root(work), "--update-catalog")
    if work.root == Path("/"):
        work.run("systemctl", "daemon-reload")
    work.run("systemctl", *_root(work), "enable", _UNIT)


def _remove(work: _Work) -> None:
    live = work.root == Path("/")
    if work.has(known_places()[0]):
        work.run("systemctl", *_root(work), "disable", *(["--now"] if live else []), _UNIT)
        if live:  # while systemd knows the unit
            work.run("systemctl", "clean", "--what=runtime", _UNIT)
    if live and _SCRIPTS_RUNTIME.is_dir():
        work.run("rmdir", "--ignore-fail-on-non-empty", str(_SCRIPTS_RUNTIME))
    for place in known_places():
        work.remove(place)
    if work.has(PROGRAM_LINK, link=True):
        work.remove(PROGRAM_LINK)
    if not work.changed:
        click.echo("nothing to remove")
        return
    work.run("journalctl", *_root(work), "--update-catalog")
    if live:
        work.run("systemctl", "daemon-reload")
    click.echo(f"kept       the user, its folders, {DEFAULT_FILE.parent}, {DEFAULT_STATE_DIR} and {_ROOTS_RECORD}")


def _unfinished(root: Path) -> list[str]:
    try:
        report = Store(resolved_in(root, DEFAULT_STATE_DIR)).latest()
    except (OSError, StateUnreadableError):
        return []
    if report is None or report.is_finished:
        return []
    return [f"deployment {report.id} is not finished: wait for it, or cancel it"]


def _print_next_steps(work: _Work, settings: Config) -> None:
    if work.root != Path("/"):
        return
    for what, path in (("the SSH key", settings.key_path), ("the deployment script", settings.script_path)):
        if not path.exists():
            click.echo(f"next       put {what} to {path}")
    active = subprocess.run(["systemctl", "is-active", "--quiet", _UNIT], check=False).returncode == 0  # noqa: S607
    click.echo(f"next       systemctl {'restart' if active else 'start'} pinakad")


def _root(work: _Work) -> list[str]:
    return [] if work.root == Path("/") else [f"--root={work.root}"]


def _run(words: tuple[str, ...]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "SYSTEMD_COLORS": "0"})
    if done.returncode != 0:
        raise FaultError(f"cannot finish: '{' '.join(words)}' says: {' '.join(done.stderr.split())}")
