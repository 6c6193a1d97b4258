"""Holds the report of a run, and makes each change of phase durable before the run goes on."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from pinakad.deployment import transitions
from pinakad.deployment.dependencies import Dependencies
from pinakad.events import Event, fields
from pinakad.problems import Problem
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase, ScriptState
from pinakad.script.outcome import Ended, Started

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pinakad.polling.node_poll import NodePoll

log = logging.getLogger(__name__)

_MAY_RUN = (ScriptState.LAUNCHING, ScriptState.RUNNING, ScriptState.LOST)


class RunRecord:
    """Holds the report; each step of transitions.py makes the next one.

    `polls`: how the polling of the nodes is now, in the order of the report's nodes; None while nobody polls.
    `asked_s`: when the nodes had been asked for their boot ids (boot clock), if this daemon asked them.
    """

    def __init__(self, report: Report, dependencies: Dependencies) -> None:
        self.report = report
        self.polls: Callable[[], Sequence[NodePoll]] | None = None
        self.asked_s: float | None = None
        self._dependencies = dependencies

    def wall_s(self) -> float:
        """Return this moment, in seconds since 1970."""
        return self._dependencies.now().wall_s

    async def enter(self, report: Report, *, must: bool) -> None:
        """Go on to the phase of `report`.

        `must`: return only when the report is durable. After the launch a failed write is not fatal: the state can be
        rebuilt from the launch record.
        """
        self.report = report
        log.info("%s", report.phase, extra=self.fields(Event.PHASE))
        self.note_polls()
        await self._dependencies.save(self.report, must=must)
        if self.report.phase is Phase.LAUNCHING:  # while the script starts, which does not wait for readers
            asyncio.get_running_loop().call_soon(self.publish)
        elif self.polls is not None:
            await self._dependencies.publish_progress(self.report, list(self.polls()))
        else:
            self.publish()

    def publish(self) -> None:
        """Show the report to readers, without waiting for the disk."""
        self._dependencies.publish(self.report)

    async def publish_progress(self) -> None:
        """Show readers the state of the nodes, where progress is due; the loop is not held meanwhile."""
        if self.polls is not None and self._dependencies.publish_due():
            await self._dependencies.publish_progress(self.report, list(self.polls()))

    def note_polls(self) -> None:
        """Put the present state of each node's polling into the report."""
        if self.polls is not None:
            pairs = zip(self.report.nodes, self.polls(), strict=True)
            nodes = [node if node.has(poll) else node.with_poll(poll) for node, poll in pairs]
            self.report = transitions.polled(self.report, nodes)

    def warn(self, *problems: Problem) -> None:
        """Add warnings to the report."""
        self.report = transitions.warned(self.report, problems)

    def script_started(self, started: Started) -> None:
        """Note which process runs the script; an entry of the script is made where the report has none."""
        if self.report.script is None and self._dependencies.script is not None:
            part, _ = self._dependencies.script.prepare()
            self.report = transitions.script_prepared(self.report, part, [])
        if self.report.script is not None:
            self.report = transitions.script_started(self.report, started, asked_s=self.asked_s)
        text = "the script runs with pid %d"
        if started.adopted:
            text = "the script runs with pid %d, which somebody else started: its end is waited for"
        log.info(text, started.script_pid, extra=self.fields(Event.SCRIPT_STARTED, pid=started.script_pid))

    def script_ended(self, ended: Ended) -> None:
        """Note how the script ended, and log it."""
        self.report = transitions.script_ended(self.report, ended)
        how = f"with status {ended.code}" if ended.code is not None else f"by signal {ended.signal}"
        if ended.adopted:
            how = "with a status that is not known"
        text = f"the script ended {how}" if ended.state is ScriptState.EXITED else f"the script is {ended.state}"
        log.info("%s", text, extra=self.fields(Event.SCRIPT_ENDED))

    @property
    def script_may_run(self) -> bool:
        """Return whether, by the report, the script may run now."""
        return self.report.script is not None and self.report.script.state in _MAY_RUN

    def fields(self, event: Event, **more: Any) -> dict[str, Any]:
        """Return the fields of a log record about this run."""
        return fields(event, deployment_id=self.report.id, phase=self.report.phase, **more)
