"""Are the daemon, its installation, its markers and its state as they should be?"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from pinakad import __version__
from pinakad.cli.checks.account import UNIT_FILE
from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.cli.checks.immovable import immovable
from pinakad.cli.install.installation import wanted_files
from pinakad.cli.install.setup_checks import work_dir_owner
from pinakad.client.pending import is_served
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.ownership import weakness
from pinakad.markers.folder import Markers
from pinakad.markers.hints import hints
from pinakad.markers.names import AWAY, CANCEL, COMPLETED, FAILED, REQUEST
from pinakad.markers.request import Identity
from pinakad.problems import Code, cause_of
from pinakad.script.launch_record import was_started
from pinakad.script.launch_service import SOCKET
from pinakad.state.store import StateUnreadableError, Store

_TAKEN_AFTER_S = 10.0
_MAX_ANSWER_BYTES = 1 << 30


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
    stale = []
    for place, text in wanted_files(context.settings, root, work_dir_owner(context.settings, root)).items():
        try:
            if (root / place).read_text(encoding="utf-8") != text:
                stale.append(place.name)
        except OSError:
            stale.append(place.name)
    if stale:
        text = f"what is installed is not of this version and configuration: {', '.join(stale)}"
        yield warning(text, "pinakactl setup && systemctl restart pinakad")


def markers(context: CheckContext) -> Iterator[Finding]:
    """Does a marker lie around that nobody serves?"""
    folder, running = context.settings.markers_dir, context.view.running
    try:
        names = {entry.name for entry in os.scandir(folder)}
        nearly = hints(folder)
    except OSError as error:
        yield warning(f"cannot look at '{folder}': {cause_of(error)}", "see the folders above")
        return
    for hint in nearly:
        place = quote(str(hint.path))
        remedy = (
            f"if it is meant: mv {place} {quote(str(hint.right))}" if not hint.path.is_dir() else f"see ls -l {place}"
        )
        yield warning(hint.text, f"{remedy}; else remove it")
    yield from immovable(folder, names, context.account)
    if REQUEST in names:
        yield from _request(context, folder / REQUEST)
    yield from _in_the_way(context, folder, names)
    if CANCEL in names and (not running or context.running is None):
        text = f"'{CANCEL}' lies around: it is removed when the next request is taken, and cancels nothing"
        yield warning(text, f"rm {quote(str(folder / CANCEL))}")
    if {COMPLETED, FAILED} <= names:
        text = f"both '{COMPLETED}' and '{FAILED}' are there: not by pinakad, and no reader knows which one counts"
        yield warning(text, f"rm the older of both in {quote(str(folder))}")


def _in_the_way(context: CheckContext, folder: Path, names: set[str]) -> Iterator[Finding]:
    """What the daemon could not remove, it has moved away, or its report says that the answer found no place."""
    for name in sorted(names):
        if name.startswith(AWAY):
            text = f"'{name}' was in the way in '{folder}', could not be removed and was moved away"
            yield warning(text, f"see what it is, then rm -r {quote(str(folder / name))}")
    report = None
    with suppress(OSError):
        report = Store(context.state_dir).latest()  # the report was complete before its answer was to be put out
    for problem in report.problems if report is not None else []:
        if report is not None and problem.code is Code.ANSWER_BLOCKED and not _has_answer(folder, report.id):
            yield fails(f"deployment {report.id}: {problem.message}", "remove it as the message says")


def _has_answer(folder: Path, identifier: str) -> bool:
    for name in (COMPLETED, FAILED):
        with suppress(OSError, NotRegularError):
            if identifier.encode() in read_regular(folder / name, _MAX_ANSWER_BYTES):
                return True
    return False


def _request(context: CheckContext, path: Path) -> Iterator[Finding]:
    if not context.view.running:
        yield fails(
            f"'{REQUEST}' is there, and no daemon takes it", f"{context.start_command}, or rm {quote(str(path))}"
        )
        return
    report, request = context.view.report, Markers(path.parent).read()
    if request is None or context.running is not None:
        return
    age_s = time.time() - path.lstat().st_mtime
    if is_served(Store(context.state_dir), request):
        if age_s > _TAKEN_AFTER_S:
            by = f" by {report.id}" if report is not None and Identity.of(report.request) == request.identity else ""
            text = f"'{REQUEST}' was served{by} and cannot be removed by the daemon"
            yield warning(text, f"rm {quote(str(path))}, and see who else owns {quote(str(path.parent))}")
    elif age_s > _TAKEN_AFTER_S:
        text = f"'{REQUEST}' is there for {age_s:.0f} s, and the daemon does not take it"
        yield fails(text, "systemctl status pinakad tells what it waits for")


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
