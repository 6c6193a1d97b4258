"""Cancel the running deployment, and see that it was."""

import time
from contextlib import suppress
from pathlib import Path

import click

from pinakad import config
from pinakad.cli.console.exits import NoDaemonError, NothingError, exit_code_of, exit_codes
from pinakad.cli.console.options import duration
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.cli.views.verdict import Line, show_verdict
from pinakad.client.access import opened
from pinakad.client.errors import ClientError, NoWriteError
from pinakad.client.follow import CHECK_EVERY_S, GRACE_S, Follower
from pinakad.client.lookup import latest
from pinakad.client.pending import unserved
from pinakad.client.refs import Exactly
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome
from pinakad.state.store import Store

_MODE = 0o664  # every account that may cancel may also take that back
_CODES = {
    0: "with --no-wait: it was asked for; else: it had completed before",
    3: "it was cancelled, as you asked",
    5: "nothing is running",
}
_HELP = f"""Cancel the running deployment.

\b
  pinakactl cancel
  pinakactl cancel --no-wait

The polling stops, the script is ended with everything that it started (TERM, after 10 s KILL), and the answer is
`cancelled`. Nodes that reboot already are left alone. A request that waits for its turn is served afterwards.

{exit_codes(_CODES)}
"""


@click.command(name="cancel", help=_HELP)
@click.option("--no-wait", is_flag=True, help="Do not wait for the answer.")
@click.option("--timeout", type=duration, metavar="DURATION", help="Wait so long at most: 90, 20m, 2h.")
@pass_session
def command(session: Session, timeout: float | None, *, no_wait: bool) -> None:
    """Cancel."""
    if no_wait and timeout is not None:
        raise WrongUseError("--timeout and --no-wait exclude each other; see pinakactl cancel --help")
    settings = session.settings()
    store, markers = Store(config.state_dir()), Markers(settings.markers_dir)
    running = _running(store, markers)
    _put_marker(markers.folder)
    console = open_console()
    show(console, plain(f"asked to cancel deployment {running.id}"))
    if no_wait:
        return
    with Line(quiet=False) as line:
        report = Follower(store, markers, Exactly(running.id), line.update).follow(timeout)
    show_verdict(console, report)
    _tidy_up(markers.folder, report)
    click.get_current_context().exit(exit_code_of(report))


def _running(store: Store, markers: Markers) -> Report:
    """Return what runs; a request that is about to be taken is waited for. Raises NothingError and NoDaemonError."""
    ends_s = time.monotonic() + GRACE_S
    while True:
        waits = unserved(store, markers) is not None  # looked at first: it may be taken now
        found = latest(store)
        if found is not None and not found.is_finished:
            return found
        if not waits:
            text = "nothing is running that could be cancelled"
            raise NothingError(f"{text}; the latest deployment is over: pinakactl wait tells how" if found else text)
        if time.monotonic() > ends_s:
            path = markers.folder / REQUEST
            why = "is not taken" if is_locked(store.lock_file) else "waits for a daemon to be started"
            raise NoDaemonError(f"there is nothing to cancel yet: the request {why}; to take it back: rm '{path}'")
        time.sleep(CHECK_EVERY_S / 4)


def _put_marker(markers: Path) -> None:
    """Put the marker there. One that is there already says the same, whatever it is."""
    with opened(markers) as folder:
        try:
            with suppress(FileExistsError):
                folder.create(CANCEL, b"", _MODE, durable=False)
        except OSError as error:
            raise NoWriteError(markers, error) from error


def _tidy_up(markers: Path, report: Report) -> None:
    """Where it was over just before we asked, nobody took notice: the next run would remove it, with a warning."""
    if report.outcome is not Outcome.CANCELLED:
        with suppress(OSError, ClientError), opened(markers) as folder:
            folder.remove(CANCEL)
