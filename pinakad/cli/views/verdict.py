"""Show the progress of a deployment in one line, and its verdict."""

import sys
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.text import Text

from pinakad import config
from pinakad.cli.console.exits import exit_code_of
from pinakad.cli.console.screen import OUTCOME_STYLES, open_console, plain, show
from pinakad.client.daemon_view import in_words
from pinakad.client.follow import Follower
from pinakad.client.refs import DeploymentRef
from pinakad.client.submit import Submitted
from pinakad.config import Config
from pinakad.linux.clock import now
from pinakad.linux.locks import is_locked
from pinakad.markers.folder import Markers
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.report.wording import duration_text, outcome_text
from pinakad.state.store import Store
from pinakad.times import wall_s

if TYPE_CHECKING:
    from rich.status import Status


def end_with_verdict(settings: Config, ref: DeploymentRef, limit_s: float | None, *, quiet: bool = False) -> None:
    """Follow the deployment to its verdict, print that, and end pinakactl with its exit code."""
    console = open_console()
    with Line(quiet=quiet) as line:
        follower = Follower(Store(config.state_dir()), Markers(settings.markers_dir), ref, line.update)
        report = follower.follow(limit_s)
    show_verdict(console, report)
    click.get_current_context().exit(exit_code_of(report))


def show_verdict(console: Console, report: Report) -> None:
    """Print the verdict in a line or two."""
    style = OUTCOME_STYLES[report.outcome] if report.outcome else ""
    counts, took_s = report.counts, _took_s(report)
    nodes = f"{counts.up} of {counts.total} nodes up, " if counts.total else ""
    show(
        console, plain(outcome_text(report), style), plain(f": {nodes}{duration_text(took_s)}, deployment {report.id}")
    )
    if report.message:
        show(console, plain(report.message))


def _took_s(report: Report) -> float:
    return (wall_s(report.finished_at) or 0.0) - (wall_s(report.started_at) or 0.0)


class Line:
    """The progress of a deployment on stderr: one line that changes on a terminal, in a pipe a line for each phase."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = open_console(stderr=True)
        self._status: Status | None = None
        self._phase = ""
        self._quiet = quiet

    def __enter__(self) -> Self:
        if not self._quiet and self._console.is_interactive and sys.stderr.isatty():
            self._status = self._console.status(Text(""))
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def update(self, report: Report | None) -> None:
        """Show the phase of the deployment, None while its request is not taken."""
        words = in_words(report, now()) if report else "waiting until the request is taken"
        if self._status is not None:
            self._status.update(plain(words))
            return
        phase = report.phase if report else "requested"
        if not self._quiet and phase not in (self._phase, Phase.FINISHED):
            self._phase = phase
            show(self._console, plain(words))


def show_submitted(console: Console, submitted: Submitted) -> None:
    """Print what was asked for, and on stderr that no daemon runs, where none does."""
    names = submitted.ref.nodes
    nodes = "all nodes" if names is None else f"{len(names)} node{'s' * (len(names) != 1)}"
    joined = ", together with a request that was not served yet" if submitted.joined else ""
    show(console, plain("asked for   ", "dim"), plain(f"{nodes}, request {submitted.ref.request_id}{joined}"))
    if not is_locked(Store(config.state_dir()).lock_file):
        text = "no daemon runs: it is served when one is started, systemctl start pinakad"
        show(open_console(stderr=True), plain(f"pinakactl: {text}", "yellow"))
