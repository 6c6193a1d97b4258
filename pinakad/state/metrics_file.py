"""What does Prometheus read? The facts that `pinakactl status` and `history` show, as numbers.

prometheus_client is imported when numbers are written: without a metrics file its memory is not used.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pinakad import __version__
from pinakad.linux.open_folder import open_folder
from pinakad.linux.waiting import wait_until_set
from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.printable import cause_of
from pinakad.report.document import Report
from pinakad.report.overview import NOT_ASKED, Overview
from pinakad.report.summary import ReportSummary
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.state.store import Store
from pinakad.state.summaries import read_summary
from pinakad.state.troubles import Troubles
from pinakad.times import wall_s

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

EVERY_S = 15.0
"""Between two changes of phase the file is written so often: its age shows whether the daemon still runs."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the numbers are made of. `summaries`: the deployments that are kept; `latest`: the running or latest one.

    `overview`: its nodes as they are now.
    """

    up: bool
    events: bool
    queued: bool
    summaries: Sequence[ReportSummary]
    latest: Report | None
    overview: Overview
    now_wall_s: float


class Ledger:
    """The summaries of all deployments that are kept; those that have finished are read once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._finished: dict[str, ReportSummary] = {}

    def summaries(self) -> list[ReportSummary]:
        """Return the summaries, oldest first; what cannot be read is left out. Raises OSError."""
        known = {name: self._finished.get(name) or read_summary(self._store.folder(name)) for name in self._store.ids()}
        self._finished = {name: found for name, found in known.items() if found is not None and found.is_finished}
        return [found for found in known.values() if found is not None]


class DaemonFacts(Protocol):
    """What the daemon knows of itself; StatusFile has it."""

    latest: Report | None
    overview: Overview
    events_trusted: bool
    queued: bool


class MetricsFile:
    """The file for node_exporter's textfile collector. A failed write is logged once, and fails nothing else.

    `path()` is where the file is wanted now, None for nowhere. `due` is set where the file shall be written at once.
    """

    def __init__(self, store: Store, path: Callable[[], Path | None], daemon: Callable[[], DaemonFacts]) -> None:
        self.due = asyncio.Event()
        self._ledger = Ledger(store)
        self._path = path
        self._daemon = daemon
        self._writing = threading.Lock()
        self._troubles = Troubles()  # not the daemon's: STATUS does not show them
        self._over = False

    async def keep_up(self) -> None:
        """Write the file whenever it is due, and otherwise every EVERY_S."""
        while True:
            self.due.clear()
            path, daemon = self._path(), self._daemon()
            if path is not None:
                facts = (daemon.events_trusted, daemon.queued, daemon.latest, daemon.overview, time.time())
                await asyncio.to_thread(self._keep_up, path, *facts)
            await wait_until_set(self.due, EVERY_S)

    def close(self) -> None:
        """Write for the last time: no daemon runs any more."""
        with self._writing:
            self._over = True
            path = self._path()
            if path is not None:
                daemon = self._daemon()
                facts = Facts(False, False, False, self._summaries(), daemon.latest, daemon.overview, time.time())
                self._write(path, facts)

    def _keep_up(
        self, path: Path, events: bool, queued: bool, latest: Report | None, overview: Overview, now_wall_s: float
    ) -> None:
        with self._writing:
            if not self._over:
                self._write(path, Facts(True, events, queued, self._summaries(), latest, overview, now_wall_s))

    def _write(self, path: Path, facts: Facts) -> None:
        try:
            numbers = text(facts)
            with open_folder(path.parent) as folder:
                folder.write_whole(path.name, numbers, 0o644)
        except OSError as error:
            self._troubles.note("metrics", f"cannot write [metrics] textfile '{path}': {cause_of(error)}")
        else:
            self._troubles.clear("metrics")

    def _summaries(self) -> list[ReportSummary]:
        try:
            return self._ledger.summaries()
        except OSError:  # the loop that needs the state folder logs it
            return []


def text(facts: Facts) -> bytes:
    """Return the facts in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    gauges = _Gauges(registry)
    _add_daemon(gauges, facts)
    _add_history(gauges, facts)
    if facts.latest is not None:
        _add_latest(gauges, facts.latest, facts.overview, facts.now_wall_s)
    return generate_latest(registry)


class _Gauges:
    """The gauges of one registry. All of them are gauges: what is kept is pruned, so that no count only grows."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        self._registry = registry

    def add(self, name: str, about: str, value: float) -> None:
        """Add a metric with one number."""
        from prometheus_client import Gauge  # noqa: PLC0415 - see above

        Gauge(f"pinakad_{name}", about, registry=self._registry).set(value)

    def add_each(self, name: str, about: str, label: str, values: dict[str, float]) -> None:
        """Add a metric with a number for each value of a label."""
        from prometheus_client import Gauge  # noqa: PLC0415 - see above

        gauge = Gauge(f"pinakad_{name}", about, [label], registry=self._registry)
        for key, value in values.items():
            gauge.labels(key).set(value)


def _add_daemon(gauges: _Gauges, facts: Facts) -> None:
    gauges.add("up", "1 while the daemon runs.", facts.up)
    gauges.add_each("version_info", "The version of pinakad; always 1.", "version", {__version__: 1})
    gauges.add("watch_events", "1 while file system events come, 0 when rescans have taken over.", facts.events)
    gauges.add("request_queued", "1 while another request waits for the running deployment to end.", facts.queued)


def _add_history(gauges: _Gauges, facts: Facts) -> None:
    finished = [summary for summary in facts.summaries if summary.is_finished]
    outcomes = Counter(str(summary.outcome) for summary in finished)
    gauges.add_each(
        "deployments", "Finished deployments that are kept, by outcome.", "outcome", _each(Outcome, outcomes)
    )
    reasons = Counter(str(summary.reason) for summary in finished if summary.reason)
    about = "Finished deployments that are kept and did not complete, by reason."
    gauges.add_each("deployments_not_completed", about, "reason", dict(reasons))
    if not finished:
        return
    last = max(finished, key=lambda summary: wall_s(summary.finished_at) or 0.0)
    answered_s = wall_s(last.finished_at) or 0.0
    gauges.add("last_answer_timestamp_seconds", "When the last deployment finished, since 1970.", answered_s)
    about = "The seconds since the last deployment finished, when this was written."
    gauges.add("last_answer_age_seconds", about, max(0.0, facts.now_wall_s - answered_s))
    about = "1 for the outcome of the last deployment that finished."
    gauges.add_each("last_answer", about, "outcome", _each(Outcome, Counter([str(last.outcome)])))


def _add_latest(gauges: _Gauges, latest: Report, overview: Overview, now_wall_s: float) -> None:
    phases = _each(Phase, Counter([str(latest.phase)]))
    gauges.add_each("deployment_phase", "1 for the phase of the running or latest deployment.", "phase", phases)
    began_s, ended_s = wall_s(latest.started_at) or now_wall_s, wall_s(latest.finished_at) or now_wall_s
    about = "The seconds from the taking of the request to the verdict, or until now."
    gauges.add("deployment_duration_seconds", about, max(0.0, ended_s - began_s))
    states = _each(NodeState, overview.states)
    gauges.add_each("nodes", "Nodes of the running or latest deployment, by state.", "state", states)
    reasons = overview.reasons
    about = "Nodes that are not up, by the reason why their last attempt failed."
    gauges.add_each("nodes_not_up", about, "reason", {NOT_ASKED: reasons[NOT_ASKED]} | _each(NodeReason, reasons))


def _each(kinds: type[Outcome | Phase | NodeState | NodeReason], counts: "Counter[str]") -> dict[str, float]:
    """Every value has its number, 0 too: an alarm cannot be set on a series that is not there."""
    return {str(kind): counts[str(kind)] for kind in kinds}
