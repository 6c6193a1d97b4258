"""Make pinakad a service of this machine, or take that away again."""

import os
import subprocess
import sys
from pathlib import Path

import click

from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.cli.install.changes import MachineChanges
from pinakad.cli.install.installation import PROGRAM_LINK, WEB_SOCKET, known_places, seen_on, wanted_files
from pinakad.cli.install.provisioning import missing_settings, provision_script
from pinakad.cli.install.setup_checks import cautions, obstacles, web_obstacles, work_dir_owner
from pinakad.cli.install.web_token import new_token, write_token
from pinakad.config import DEFAULT_FILE, DEFAULT_STATE_DIR, Config, ConfigError, load
from pinakad.linux.walk import resolved_in
from pinakad.state.store import StateUnreadableError, Store

_UNIT = "pinakad.service"
_ROOTS_RECORD = Path("/var/lib/pinakad-script")
_WEB_RUNTIME = Path("/run/pinakad-web")
_SCRIPTS_RUNTIME = Path("/run/pinakad-script")


_HELP = """Make pinakad a service of this machine.

\b
  pinakactl setup --dry-run     what would be done, and what speaks against it?
  pinakactl setup
  pinakactl setup --web         with the front door: interface and page, started when somebody connects
  pinakactl setup --provision   with the shipped deployment program as the script, where there is none
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
@click.option("--web", is_flag=True, help="Install the front door, too; an installed one is kept up to date anyway.")
@click.option("--provision", is_flag=True, help="Install the shipped deployment program as the script, never over one.")
@click.option("--dry-run", is_flag=True, help="Check, and tell what would be done.")
@click.option("--remove", is_flag=True, help="Take away what a setup brought; state, configuration and folders stay.")
@click.option("--force", is_flag=True, help="Go on although a check says no.")
@pass_session
def command(
    session: Session, root: Path, *, web: bool, provision: bool, dry_run: bool, remove: bool, force: bool
) -> None:
    """Set up, or take away."""
    root = root.resolve()
    os.umask(0o022)
    work = MachineChanges(root, dry_run=dry_run)
    if remove:
        _refuse(_unfinished(root), force=force)
        _remove(work)
        return
    settings, web = _settings(session, root), web or work.has(WEB_SOCKET)
    found = [*obstacles(settings, root), *(web_obstacles() if web else ())]
    _refuse([text for text in found if not (dry_run and text.startswith("only root"))], force=force)
    _install(work, settings, web=web)
    if provision:
        _install_script(work, settings)
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


def _install(work: MachineChanges, settings: Config, *, web: bool) -> None:
    wanted = wanted_files(settings, work.root, work_dir_owner(settings, work.root), web=web)
    for place in known_places():
        if place in wanted:
            work.write(place, wanted[place])
        else:
            work.remove(place)
    work.link(PROGRAM_LINK, seen_on(work.root, Path(sys.prefix)) / "bin" / "pinakactl")
    work.run("systemd-sysusers", *_root(work), "pinakad.conf", *(["pinakad-web.conf"] if web else []))
    work.run("systemd-tmpfiles", *_root(work), "--create", "pinakad.conf")
    work.run("journalctl", *_root(work), "--update-catalog")
    if work.root == Path("/"):
        work.run("systemctl", "daemon-reload")
    work.run("systemctl", *_root(work), "enable", _UNIT)
    if web:
        _open_front_door(work, settings)


def _install_script(work: MachineChanges, settings: Config) -> None:
    """Make the shipped program the deployment script, and say what the configuration needs for it."""
    place = settings.script_path.relative_to("/")
    if work.has(place):
        click.echo(f"kept       {work.root / place}: there is a script already")
    else:
        work.write(place, provision_script(seen_on(work.root, Path(sys.prefix))))
    for line in missing_settings(settings):
        click.echo(f"next       {line}")


def _open_front_door(work: MachineChanges, settings: Config) -> None:
    place = settings.web.token.relative_to("/")
    if not work.has(place):
        work.make(place, lambda: write_token(work.root, place, new_token()))
    live = work.root == Path("/")
    work.run("systemctl", *_root(work), "enable", *(["--now"] if live else []), WEB_SOCKET.name)


def _remove(work: MachineChanges) -> None:
    live = work.root == Path("/")
    if work.has(WEB_SOCKET):
        work.run("systemctl", *_root(work), "disable", *(["--now"] if live else []), WEB_SOCKET.name)
        if live:
            work.run("systemctl", "stop", "pinakad-web.service")
            work.run("rmdir", "--ignore-fail-on-non-empty", str(_WEB_RUNTIME))
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


def _print_next_steps(work: MachineChanges, settings: Config) -> None:
    if work.root != Path("/"):
        return
    for what, path in (("the SSH key", settings.key_path), ("the deployment script", settings.script_path)):
        if not path.exists():
            click.echo(f"next       put {what} to {path}")
    active = subprocess.run(["systemctl", "is-active", "--quiet", _UNIT], check=False).returncode == 0  # noqa: S607
    click.echo(f"next       systemctl {'restart' if active else 'start'} pinakad")
    if work.has(WEB_SOCKET):
        click.echo("next       pinakactl web url prints the address of the page")


def _root(work: MachineChanges) -> list[str]:
    return [] if work.root == Path("/") else [f"--root={work.root}"]
