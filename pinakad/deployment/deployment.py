"""One deployment, in the order in which it happens.

    validate -> snapshot -> ask who the nodes are -> launch -> wait and poll -> verdict

The report is the only state: each phase is durable before what follows it begins, and after a crash the run is resumed
at the phase that the report names.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pinakad.deployment import transitions, verdict
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.node_log import log_failed
from pinakad.deployment.preflight import Preflight
from pinakad.deployment.record import RunRecord
from pinakad.deployment.supervision import Supervision
from pinakad.deployment.verdict import Verdict
from pinakad.events import Event
from pinakad.polling.schedule import Schedule
from pinakad.problems import Problem, has_errors
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Phase, Reason, Refusal, ScriptState
from pinakad.times import Moment, wall_s

log = logging.getLogger(__name__)


class Deployment:
    """One run. `resumed`: the daemon was away meanwhile."""

    def __init__(self, report: Report, dependencies: Dependencies, *, resumed: bool = False) -> None:
        self.cancelled = asyncio.Event()
        self._record = RunRecord(report, dependencies)
        self._dependencies = dependencies
        self._resumed = resumed
        self._preflight = Preflight(self._record, dependencies)
        self._supervision: Supervision | None = None

    async def run(self) -> Report:
        """Go through all phases and return the finished report, which is durable then.

        An unexpected exception before the verdict is logged with its traceback, and fails the deployment.
        """
        try:
            decided = self._decided() or await self._reach_verdict()
        except Exception:
            log.exception("a bug in pinakad ends the deployment", extra=self._record.fields(Event.INTERNAL_ERROR))
            self._record.polls = None
            text = "a bug in pinakad; the traceback is in its log"
            decided = verdict.failed(Refusal(Reason.INTERNAL_ERROR, text))
        return await self._finish(decided)

    async def _reach_verdict(self) -> Verdict:
        decided = None
        if self.report.phase is Phase.VALIDATING:
            decided = await self._preflight.validate() or self._cancellation() or await self._enter_launching()
        if decided is None and self.report.phase is Phase.LAUNCHING:
            decided = self._cancellation() or await self._launch()
        if decided is not None:
            return decided
        self._supervision = Supervision(self._record, self._dependencies, self.cancelled, resumed=self._resumed)
        return await self._supervision.decide()

    async def _enter_launching(self) -> Verdict | None:
        await self._preflight.take_baselines()
        if self._cancellation() is None:
            await self._record.enter(transitions.launching(self.report), must=True)
        return self._cancellation()

    async def _launch(self) -> Verdict | None:
        """Launch the script unless it was launched before, and note the moment of the launch."""
        started = await self._dependencies.script.launch() if self._dependencies.script else None
        if isinstance(started, Refusal):
            return self._cancellation() or verdict.failed(started)
        if started is None:
            clock = self.report.clock
            at = Moment(clock.boot_id, clock.taken_boot_s, wall_s(self.report.started_at) or 0.0)
        else:
            at = started.at
            self._record.script_started(started)
        self._record.report = transitions.launched(self.report, at)
        return None

    # --- the end

    async def _finish(self, decided: Verdict) -> Report:
        """Write the verdict down before it is carried out: after a crash in between the run is not judged again."""
        record = self._record
        if self.report.phase is not Phase.FINISHING:
            record.note_polls()
            record.polls = None
            log_failed(self.report)
            warnings = verdict.end_warnings(self.report.nodes, self.report.policy.poll)
            await record.enter(transitions.decided(self.report, decided, warnings), must=not record.script_may_run)
        await self._end_script()
        await record.enter(transitions.finished(self.report, record.wall_s()), must=True)
        level = logging.INFO if decided.outcome is Outcome.COMPLETED else logging.ERROR
        extra = record.fields(decided.event, reason=decided.reason)
        log.log(level, "deployment %s: %s", decided.outcome, decided.message, extra=extra)
        return self.report

    async def _end_script(self) -> None:
        """End what may still run. An error changes neither the verdict nor the answer."""
        # after a cancellation nothing of the run goes on, not even what a script has left that had ended before
        must_be_gone = self.report.outcome is Outcome.CANCELLED and self.report.script is not None
        if self._dependencies.script is None or not (self._record.script_may_run or must_be_gone):
            return
        try:
            ended = await self._dependencies.script.end()
        except Exception:
            log.exception("cannot end the script", extra=self._record.fields(Event.INTERNAL_ERROR))
            return
        if ended is not None and self._record.script_may_run:
            self._record.script_ended(ended)
        if ended is not None and ended.state is ScriptState.RUNNING:  # the answer must not say that the script is over
            left = "; ".join(warning.message for warning in ended.warnings)
            self._record.report = transitions.script_left_running(self.report, left)

    def _decided(self) -> Verdict | None:
        """Return the verdict that was written down before a crash."""
        report = self.report
        if report.phase is Phase.FINISHING and report.outcome is not None:
            return Verdict(report.outcome, report.reason, report.message)
        return None

    def _cancellation(self) -> Verdict | None:
        return verdict.cancelled() if self.cancelled.is_set() else None

    # --- for the worker and the heartbeat

    @contextmanager
    def launch_prepared(self) -> Iterator[None]:
        """Let begin what takes its time before a launch; discard at the end what the launch has not used.

        Where the preparation fails, the launch says why.
        """
        with ExitStack() as prepared:
            try:
                if self._dependencies.script and not has_errors(self.report.problems):
                    prepared.enter_context(self._dependencies.script.launch_prepared())
            except Exception:
                log.exception("cannot prepare the launch", extra=self._record.fields(Event.INTERNAL_ERROR))
            yield

    def warn(self, problem: Problem) -> None:
        """Put a warning into the report."""
        self._record.warn(problem)

    @property
    def report(self) -> Report:
        """What happened until now."""
        return self._record.report

    @property
    def schedule(self) -> Schedule | None:
        """The slots, once there are any."""
        return self._supervision.poller.schedule if self._supervision else None

    @property
    def idle_since_s(self) -> float | None:
        """Since when no attempt has ended, on the boot clock; None while none is due."""
        polling = self._supervision is not None and self.report.phase is Phase.POLLING
        return self._supervision.poller.idle_since_s if polling and self._supervision else None
