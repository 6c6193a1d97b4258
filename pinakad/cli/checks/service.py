"""Are the daemon, its installation and its state as they should be?"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from pinakad import __version__
from pinakad.cli.checks.account import UNIT_FILE
from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.cli.install.installation import WEB_SOCKET, wanted_files
from pinakad.cli.install.setup_checks import work_dir_owner
from pinakad.linux.ownership import weakness
from pinakad.printable import cause_of
from pinakad.script.launch_record import was_started
from pinakad.script.launch_service import SOCKET
from pinakad.state.store import StateUnreadableError, Store


def configuration(context: CheckContext) -> Iterator[Finding]:
    """Where the script runs as root, the configuration decides what root runs."""
    if not context.by_systemd:
        return
    with suppress(OSError):
        found = weakness(context.config_file)
        if found is not None:
            place = quote(str(context.config_file))
            yield fails(f"the configuration is not trusted: {found}", f"chown root:root {place} && chmod go-w {place}")


def daemon(context: CheckContext) -> Iterator[Finding]:
    """Does it run, is it of this version, does it see events?"""
    view = context.view
    if not view.running:
        why = "; systemctl status pinakad tells why it does not" if UNIT_FILE.exists() else ""
        yield fails(
            f"no daemon runs for '{context.state_dir}': nobody would take a request", context.start_command + why
        )
        return
    restart = "systemctl restart pinakad (what runs is gone on with)"
    for note in view.notes:
        yield warning(note, restart)
    part = view.daemon
    if part is None:
        if not view.notes:
            text = f"a daemon runs, but there is no '{context.runtime_dir / 'status.json'}'"
            yield warning(text, "see that $RUNTIME_DIRECTORY is the daemon's")
        return
    if part.version != __version__:
        yield warning(f"the daemon that runs is version {part.version}, this is {__version__}", restart)
    if part.watch != "events":
        text = "the daemon sees no file system events: requests are seen by rescans, every 5 seconds"
        yield warning(text, "journalctl -u pinakad -p warning tells why")


def launcher(context: CheckContext) -> Iterator[Finding]:
    """Where the script runs in a unit, does root's side listen?"""
    if context.by_systemd and UNIT_FILE.exists() and context.view.running and not Path(SOCKET).exists():
        yield fails(
            f"nobody listens at '{SOCKET}': no script would be started", "pinakactl setup && systemctl restart pinakad"
        )


def installation(context: CheckContext) -> Iterator[Finding]:
    """Are the files that a setup would write now those that are there?"""
    if not UNIT_FILE.exists():
        return
    root = Path("/")
    stale, web = [], (root / WEB_SOCKET).exists()
    wanted = wanted_files(context.settings, root, work_dir_owner(context.settings, root), web=web)
    for place, text in wanted.items():
        try:
            if (root / place).read_text(encoding="utf-8") != text:
                stale.append(place.name)
        except OSError:
            stale.append(place.name)
    if stale:
        text = f"what is installed is not of this version and configuration: {', '.join(stale)}"
        yield warning(text, "pinakactl setup && systemctl restart pinakad")


def state(context: CheckContext) -> Iterator[Finding]:
    """Can every deployment that was not answered be gone on with?"""
    store = Store(context.state_dir)
    try:
        left = [identifier for identifier in store.ids() if not store.is_answered(identifier)]
    except OSError as error:
        yield warning(f"cannot look at '{context.state_dir}': {cause_of(error)}", "sudo pinakactl doctor")
        return
    for identifier in left:
        yield from _unfinished(context, store, identifier)


def _unfinished(context: CheckContext, store: Store, identifier: str) -> Iterator[Finding]:
    try:
        report = store.load(identifier)
    except StateUnreadableError as error:
        if not context.view.running and was_started(store.folder(identifier)):
            yield fails(f"{error}; it would be answered with state_unreadable", "restore that file from a backup")
        return
    if not context.view.running and not report.is_finished:
        text = f"deployment {identifier} is {report.phase} and stands still: the next one waits for its end"
        yield warning(text, f"{context.start_command}: it is gone on with")
