"""Who decides after the launch: the operator, the script, the time, or the nodes?"""

import asyncio
import logging
from functools import partial
from typing import Any

from pinakad.deployment import transitions, verdict
from pinakad.deployment.deadlines import foreign_begins_within_s, launched_s, script_limit_s, script_took_s
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.node_log import log_change
from pinakad.deployment.old_addresses import seen_at_old_addresses
from pinakad.deployment.record import RunRecord
from pinakad.deployment.verdict import Verdict
from pinakad.events import Event
from pinakad.linux.waiting import wait_until_set
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import ASK_LIMIT_S, Poller
from pinakad.polling.schedule import Schedule
from pinakad.polling.vocabulary import AttemptResult
from pinakad.problems import Code, Spot
from pinakad.report.vocabulary import Phase, Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended

log = logging.getLogger(__name__)

PUBLISH_EVERY_S = 1.0
MAX_LATE_RESUMES = 10
"""So many restarts after the end of polling put the verdict off: a daemon that is restarted on and on gives it, too."""


class Supervision:
    """Follows the script and the nodes of one run. `resumed`: the daemon was away meanwhile."""

    def __init__(
        self, record: RunRecord, dependencies: Dependencies, cancelled: asyncio.Event, *, resumed: bool
    ) -> None:
        self._record = record
        self._dependencies = dependencies
        self._cancelled = cancelled
        self._resumed = resumed
        self.poller = self._make_poller()

    async def decide(self) -> Verdict:
        """Return the verdict of the first to decide: the operator, the script, the time, or the nodes."""
        self._record.polls = lambda: self.poller.polls
        decided = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            polls = group.create_task(self.poller.run(), name="poll")
            group.create_task(self._write_phases(decided), name="phases")
            script = group.create_task(self._script_ends(), name="script")
            cancel = group.create_task(self._cancelled.wait(), name="cancel")
            publisher = group.create_task(self._publish(), name="publish")
            try:
                return await self._first_to_decide(script, polls, cancel)
            finally:
                decided.set()
                for task in (polls, script, cancel, publisher):
                    task.cancel()

    async def _publish(self) -> None:
        while True:
            await self._record.publish_progress()
            await asyncio.sleep(PUBLISH_EVERY_S)

    async def _write_phases(self, decided: asyncio.Event) -> None:
        """Write the phases down while the poller runs: a slow disk must not cost a slot. None is written too late."""
        record = self._record
        if record.report.phase is Phase.LAUNCHING:
            await record.enter(transitions.waiting(record.report), must=False)
        if record.report.phase is Phase.WAITING:
            if await wait_until_set(decided, self.poller.schedule.begins_s - self._dependencies.now().boot_s):
                return
            await record.enter(transitions.polling(record.report, record.wall_s()), must=False)

    async def _first_to_decide(
        self,
        script: "asyncio.Task[Ended | None]",
        polls: "asyncio.Task[None]",
        cancel: "asyncio.Task[Any]",
    ) -> Verdict:
        """Where several hold at once, the operator comes first, then the script, then the nodes."""
        pending: set[asyncio.Task[Any]] = {script, polls, cancel}
        limit_s = self._launched_s() + script_limit_s(self._record.report)
        while True:
            left_s = max(0.0, limit_s - self._dependencies.now().boot_s) if script in pending else None
            done, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            stop = verdict.cancelled() if self._cancelled.is_set() else None
            if stop is None and script in done:
                stop = self._on_script_end(script.result())
            if stop is None and polls in done:
                polls.result()
                nodes, ask = self._record.report.nodes, self._dependencies.at_old_addresses
                self.poller.polls = await seen_at_old_addresses(self.poller.polls, nodes, ask)
                self._record.note_polls()
                stop = verdict.cancelled() if self._cancelled.is_set() else verdict.on_nodes(self._record.report.nodes)
            if stop is None and not done:
                stop = self._on_time_up()
                pending.discard(script)
            if stop is not None:
                return stop

    # --- the script

    async def _script_ends(self) -> Ended | None:
        script = self._dependencies.script
        if script is None:
            return None
        if self._record.report.script is None:  # pinakad does not launch it
            started = await script.appears(self._foreign_begins_until_s())
            if started is None:
                text = "nobody was seen to run the script: it is not known to have run, and the nodes alone decide"
                self._record.warn(Spot("").warning(Code.SCRIPT_NOT_SEEN, text))
                return None
            self._record.script_started(started)
        return await script.ended()

    def _on_time_up(self) -> Verdict | None:
        """Check the script before its time limit counts: it may have ended in time while the daemon was away."""
        ended = self._dependencies.script.has_ended() if self._dependencies.script else None
        if ended is not None:
            return self._on_script_end(ended)
        text = f"the script was still running after {script_limit_s(self._record.report):g} s"
        return verdict.failed(Refusal(Reason.SCRIPT_TIMEOUT, text))

    def _on_script_end(self, ended: Ended | None) -> Verdict | None:
        """Note how the script ended. From now on a node must answer again to count as up."""
        if ended is None:  # there is no script: the nodes alone decide
            begins_s = self._foreign_begins_until_s() if self._dependencies.script else self._launched_s()
            self._give_polling_an_end(begins_s)
            return None
        self._record.script_ended(ended)
        now = self._dependencies.now()
        if ended.state is ScriptState.INTERRUPTED and any(node.this_host for node in self._record.report.nodes):
            log.warning("this host was booted again as a node of the deployment: every node must prove a reboot")
            self.poller.require_reboot()
            self._give_polling_an_end(0.0)  # before this boot: another restart must not put the end off
            return None
        decided = verdict.on_script(
            ended, script_took_s(self._record.report, ended), script_limit_s(self._record.report)
        )
        if decided is None:  # of an adopted script it may only be known that it is over now, not since when
            exited_s = ended.at.on_clock(self._dependencies.boot_id, now) if ended.at else now.boot_s
            self._give_polling_an_end(exited_s)
        return decided

    def _give_polling_an_end(self, exited_s: float) -> None:
        """Count the end of polling from the exit (boot clock). Later restarts put the verdict off, but not for ever."""
        self.poller.script_exited(exited_s)
        if not self._resumed or (self.poller.schedule.ends_s or 0.0) > self._dependencies.now().boot_s:
            return
        self._record.report = transitions.resumed_late(self._record.report)
        if self._record.report.clock.late_resumes > MAX_LATE_RESUMES:
            self.poller.judge_by_the_record()

    # --- times, in seconds on the boot clock of this boot

    def _launched_s(self) -> float:
        return launched_s(self._record.report, self._dependencies.boot_id, self._dependencies.now())

    def _foreign_begins_until_s(self) -> float:
        return self._launched_s() + foreign_begins_within_s(self._record.report)

    # --- the poller

    def _make_poller(self) -> Poller:
        report, nodes = self._record.report, self._record.report.nodes
        policy = report.policy
        schedule = Schedule(
            launched_s=self._launched_s(),
            delay_s=policy.poll.delay_s,
            interval_s=policy.poll.interval_s,
            attempts=policy.poll.attempts,
            back_s=self._dependencies.now().boot_s if self._resumed else 0.0,
        )
        # far more than one attempt takes: waiting for a permit is in it
        attempt_limit_s = ASK_LIMIT_S + 2 * policy.ssh.attempt_limit_s
        return Poller(
            [node.baseline for node in nodes],
            [node.poll() for node in nodes],
            policy.poll,
            schedule,
            self._attempt,
            self._dependencies.now,
            self._log_change,
            self._log_pause,
            attempt_limit_s,
        )

    async def _attempt(self, index: int) -> AttemptResult:
        node, stalled = self._record.report.nodes[index], self.poller.polls[index].stalled
        return await self._dependencies.attempt(node, stalled, partial(self.poller.may_run_ready, index))

    def _log_change(self, index: int, before: NodePoll, after: NodePoll) -> None:
        log_change(self._record.report, self._record.report.nodes[index], before, after)

    def _log_pause(self, paused_s: float) -> None:
        text = "pinakad was paused for %.0f s: no node is given up before it was asked again"
        log.warning(text, paused_s, extra=self._record.fields(Event.RESUMED))
