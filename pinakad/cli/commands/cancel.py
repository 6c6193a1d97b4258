"""Cancel the running deployment, and see that it was."""

import time

import click

from pinakad import config
from pinakad.cli.console.exits import NoDaemonError, NothingError, exit_code_of, exit_codes
from pinakad.cli.console.options import duration
from pinakad.cli.console.screen import open_console, plain, show
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.cli.views.verdict import Line, show_verdict
from pinakad.client.cancel import put_cancel, take_back_cancel
from pinakad.client.follow import CHECK_EVERY_S, GRACE_S, Follower
from pinakad.client.lookup import latest
from pinakad.client.pending import unserved
from pinakad.client.refs import Exactly
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome
from pinakad.state.store import Store

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
    put_cancel(markers.folder)
    console = open_console()
    show(console, plain(f"asked to cancel deployment {running.id}"))
    if no_wait:
        return
    with Line(quiet=False) as line:
        report = Follower(store, markers, Exactly(running.id), line.update).follow(timeout)
    show_verdict(console, report)
    if report.outcome is not Outcome.CANCELLED:  # it was over just before we asked
        take_back_cancel(markers.folder)
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
