"""How does it end? Wait for the verdict, and tell it by words and by the exit code."""

import re
import sys
from typing import TYPE_CHECKING, Self

import click
from rich.console import Console
from rich.text import Text

from pinakad import config
from pinakad.cli.console.exits import exit_code_of, exit_codes
from pinakad.cli.console.screen import OUTCOME_STYLES, open_console, plain, show
from pinakad.cli.console.session import Session, pass_session
from pinakad.client.daemon_view import in_words, this_moment
from pinakad.client.follow import DeploymentRef, Exactly, Follower, ref_to_latest
from pinakad.client.lookup import choose_id
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.report.wording import duration_text, outcome_text
from pinakad.state.store import Store
from pinakad.times import wall_s

if TYPE_CHECKING:
    from rich.status import Status

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}
_MAX_S = 365 * 86400.0

_HELP = f"""Wait for the verdict, and exit with it.

\b
  pinakactl wait
  pinakactl wait --timeout 20m && echo all nodes are up
  touch .../deployment_in_progress; pinakactl wait
  pinakactl wait 17             that one, by its id or counter

It waits for what is asked for and not served yet, else for what is running; where nothing is, it tells the latest
verdict. The daemon may be restarted meanwhile.

{exit_codes()}
"""


def duration(text: str) -> float:
    """Return the seconds that an option names: a number, with s, m or h where it is not seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or (seconds := float(match[1]) * _UNITS_S[match[2]]) > _MAX_S:
        raise click.BadParameter(f"'{text}' is no duration: write 90, 90s, 20m or 2h")
    return seconds


@click.command(name="wait", help=_HELP)
@click.argument("deployment", metavar="[ID]", required=False)
@click.option("--timeout", type=duration, metavar="DURATION", help="Wait so long at most: 90, 20m, 2h.")
@click.option("-q", "--quiet", is_flag=True, help="Tell the verdict only.")
@pass_session
def command(session: Session, deployment: str | None, timeout: float | None, *, quiet: bool) -> None:
    """Wait."""
    settings = session.settings()
    store, markers = Store(config.state_dir()), Markers(settings.markers_dir)
    ref: DeploymentRef = ref_to_latest(store, markers) if deployment is None else Exactly(choose_id(store, deployment))
    end_with_verdict(settings, ref, timeout, quiet=quiet)


def end_with_verdict(settings: Config, ref: DeploymentRef, limit_s: float | None, *, quiet: bool = False) -> None:
    """Follow the aim to its verdict, tell it, and end pinakactl with its exit code."""
    console = open_console()
    with Line(quiet=quiet) as line:
        follower = Follower(Store(config.state_dir()), Markers(settings.markers_dir), ref, line.tell)
        report = follower.follow(limit_s)
    tell_verdict(console, report)
    click.get_current_context().exit(exit_code_of(report))


def tell_verdict(console: Console, report: Report) -> None:
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
    """How it goes on, on stderr: one line that changes on a terminal, in a pipe a line for each phase."""

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

    def tell(self, report: Report | None) -> None:
        """Say how it stands."""
        words = in_words(report, this_moment()) if report else "waiting until the request is taken"
        if self._status is not None:
            self._status.update(plain(words))
            return
        phase = report.phase if report else "requested"
        if not self._quiet and phase not in (self._phase, Phase.FINISHED):
            self._phase = phase
            show(self._console, plain(words))
