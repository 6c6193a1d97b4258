"""One deployment, told in the order in which it happens.

    validate -> snapshot -> ask who the nodes are -> launch -> wait and poll -> verdict

The report is the only state: each phase is durable before what follows it begins, and after a crash the story goes on
at the phase that the report tells.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pinakad.deployment import verdict
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.node_log import log_change, log_failed
from pinakad.deployment.verdict import Verdict, failed
from pinakad.events import Event, fields
from pinakad.linux.waiting import wait_until_set
from pinakad.nodes.selection import NodeSet, no_node_file_text, select_nodes
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import ASK_LIMIT_S, Poller
from pinakad.polling.schedule import Schedule
from pinakad.polling.vocabulary import AttemptResult
from pinakad.problems import Code, Problem, Severity, Spot, has_errors
from pinakad.report.document import ClockPart, Report
from pinakad.report.node import NodeReport, counts_of, node_reports, superseded_parts
from pinakad.report.vocabulary import Outcome, Phase, Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Moment, rfc3339, wall_s

log = logging.getLogger(__name__)

TELL_EVERY_S = 1.0
MAX_LATE_RESUMES = 10
"""How many restarts after the end of polling put the verdict off: a daemon that never lives for long gives it too."""
FOREIGN_BEGINS_WITHIN_S = 5.0
"""So long, or as long as the delay, somebody who starts the script himself may take for it after the request."""
_MAY_RUN = (ScriptState.LAUNCHING, ScriptState.RUNNING, ScriptState.LOST)


class Deployment:
    """One run. `resumed`: the daemon was away meanwhile."""

    def __init__(self, report: Report, dependencies: Dependencies, *, resumed: bool = False) -> None:
        self.report = report
        self.cancelled = asyncio.Event()
        self._dependencies = dependencies
        self._resumed = resumed
        self._poller: Poller | None = None
        self._asked_s: float | None = None  # when the nodes had been asked, if that was us

    def get_ready(self) -> None:
        """Let begin what takes its time: a supervisor that stands by. Where that fails, the launch tells."""
        try:
            if self._dependencies.script and not has_errors(self.report.problems):
                self._dependencies.script.stand_by()
        except Exception:
            log.exception("cannot get ready for the launch", extra=self._fields(Event.INTERNAL_ERROR))

    def stand_down(self) -> None:
        """Send away what stands by for a launch that did not come."""
        if self._dependencies.script:
            self._dependencies.script.stand_down()

    async def run(self) -> Report:
        """Tell the story to its end and return the finished report, which is durable then."""
        try:
            decided = self._decided() or await self._story()
        except Exception:
            log.exception("a bug in pinakad ends the deployment", extra=self._fields(Event.INTERNAL_ERROR))
            self._poller = None
            decided = failed(Reason.INTERNAL_ERROR, "a bug in pinakad; the traceback is in its log")
        return await self._finish(decided)

    async def _story(self) -> Verdict:
        decided = None
        if self.report.phase is Phase.VALIDATING:
            decided = await self._validate() or self._cancellation() or await self._ask_who_they_are()
        if decided is None and self.report.phase is Phase.LAUNCHING:
            decided = self._cancellation() or await self._launch()
        return decided or await self._watch_over()

    # --- before the launch

    async def _validate(self) -> Verdict | None:
        """Read the node files for good. What speaks against launching is told in its order."""
        if has_errors(self.report.problems):  # of the request: they were written down when it was taken
            return verdict.refused(Reason.INVALID_REQUEST, self.report.problems)
        files = await self._dependencies.read_nodes()
        if isinstance(files, str):
            return failed(Reason.NODES_UNREADABLE, f"the nodes folder cannot be read: {files}")
        asked = self.report.request.nodes
        found = select_nodes(files, None if asked is None else frozenset(asked), ssh_port=self.report.policy.ssh.port)
        wrong = verdict.request_problems(asked, files, found)
        if wrong:
            return self._refused(Reason.INVALID_REQUEST, wrong)
        if not files:
            return failed(Reason.NO_NODES, no_node_file_text(self._dependencies.ignored_names()))
        self._change(superseded=superseded_parts(found.superseded))
        if not found.ok:
            return self._refused(Reason.INVALID_NODES, found.problems)
        return await self._accept(found)

    async def _accept(self, found: NodeSet) -> Verdict | None:
        """Take over the nodes: from here on only the snapshot counts."""
        nodes = node_reports(found.nodes, self.report.policy.ssh)
        self._change(nodes=nodes, counts=counts_of(nodes), problems=[*self.report.problems, *found.problems])
        script = self._dependencies.script
        problem = script.problem() if script else None
        if problem is not None:
            return failed(*problem)
        key_problem = self._dependencies.key_problem()
        if key_problem is not None:
            return failed(Reason.SSH_KEY, key_problem)
        for warning in self._dependencies.loose_permissions():
            log.warning("%s", warning.line(), extra=self._fields(Event.PROBLEM, reason=warning.code))
            self.warn(warning)
        if script is not None and self.report.policy.script.launch:
            part, warnings = script.prepare()
            self._change(script=part, problems=[*self.report.problems, *warnings])
        await self._dependencies.snapshot(found.files)
        return None

    async def _ask_who_they_are(self) -> Verdict | None:
        """Ask every node for its boot id before anything is done to it: later answers are held against it."""
        nodes = list(self.report.nodes)
        if self.report.policy.poll.reboot != "ignore":
            async with self._foreign_run_is_seen():
                probes = await self._dependencies.ask_baselines(nodes)
            self._asked_s = self._dependencies.now().boot_s
            nodes = [_with_baseline(node, probe) for node, probe in zip(nodes, probes, strict=True)]
        nodes = [node.but(this_host=self._is_this_host(node)) for node in nodes]
        self._change(nodes=nodes)
        if self._cancellation() is None:
            await self._enter(Phase.LAUNCHING, must=True)
        return self._cancellation()

    @asynccontextmanager
    async def _foreign_run_is_seen(self) -> AsyncIterator[None]:
        """Until the launch, a run that somebody else begins meanwhile is adopted, however short it is."""
        async with asyncio.TaskGroup() as group:
            watch = None
            if self._dependencies.script is not None:
                watch = group.create_task(self._dependencies.script.watch_for_foreign_run(), name="foreign run")
            yield
            if watch is not None:
                watch.cancel()

    async def _launch(self) -> Verdict | None:
        """Launch the script, or find that it was launched: `started` tells, and gives the time of the launch."""
        started = await self._dependencies.script.launch() if self._dependencies.script else None
        if isinstance(started, Refusal):
            return self._cancellation() or failed(started.reason, started.message)
        if started is None:
            clock = self.report.clock
            at = Moment(clock.boot_id, clock.taken_boot_s, wall_s(self.report.started_at) or 0.0)
        else:
            at = started.at
            self._note_start(started)
        self._change(clock=_launched(self.report.clock, at))
        return None

    def _note_start(self, started: Started) -> None:
        """Take note of who runs the script."""
        if self.report.script is None and self._dependencies.script is not None:
            self._change(script=self._dependencies.script.prepare()[0])
        text = "the script runs with pid %d"
        if started.adopted:
            text = "the script runs with pid %d, which somebody else started: its end is waited for"
            told = (
                f"process {started.script_pid} ran the script, and pinakad did not start it: its exit status is unknown"
            )
            self.warn(Spot("").warning(Code.SCRIPT_ADOPTED, told))
            if self._asked_s is None or started.at.boot_s < self._asked_s:  # what they said then proves nothing
                self._change(nodes=[node.but(boot_id_before=None) for node in self.report.nodes])
        log.info(text, started.script_pid, extra=self._fields(Event.SCRIPT_STARTED, pid=started.script_pid))
        self._change_script(
            pid=started.script_pid or None,
            start_ticks=started.script_start_ticks,
            supervisor_pid=started.supervisor_pid or None,
            supervisor_start_ticks=started.supervisor_start_ticks,
            adopted=started.adopted,
            state=ScriptState.RUNNING,
            started_at=rfc3339(started.at.wall_s),
        )

    # --- after the launch

    async def _watch_over(self) -> Verdict:
        """Follow the script and the nodes until the operator, the script, the time or the nodes decide."""
        self._poller = poller = self._make_poller()
        decided = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            polls = group.create_task(poller.run(), name="poll")
            group.create_task(self._write_phases(poller, decided), name="phases")
            script = group.create_task(self._script_ends(), name="script")
            cancel = group.create_task(self.cancelled.wait(), name="cancel")
            teller = group.create_task(self._tell_on(), name="tell")
            try:
                return await self._first_to_decide(poller, script, polls, cancel)
            finally:
                decided.set()
                for task in (polls, script, cancel, teller):
                    task.cancel()

    async def _write_phases(self, poller: Poller, decided: asyncio.Event) -> None:
        """Write the phases down while the poller runs: a slow disk must not cost a slot. None is written too late."""
        if self.report.phase is Phase.LAUNCHING:
            await self._enter(Phase.WAITING, must=False)
        if self.report.phase is Phase.WAITING:
            if await wait_until_set(decided, poller.schedule.begins_s - self._dependencies.now().boot_s):
                return
            self._change(polling_at=rfc3339(self._dependencies.now().wall_s))
            await self._enter(Phase.POLLING, must=False)

    async def _first_to_decide(
        self,
        poller: Poller,
        script: "asyncio.Task[Ended | None]",
        polls: "asyncio.Task[None]",
        cancel: "asyncio.Task[Any]",
    ) -> Verdict:
        """Where several hold at once, the operator comes first, then the script, then the nodes."""
        pending: set[asyncio.Task[Any]] = {script, polls, cancel}
        limit_s = self._launched_s() + self._script_limit_s()
        while True:
            left_s = max(0.0, limit_s - self._dependencies.now().boot_s) if script in pending else None
            done, pending = await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            stop = self._cancellation()
            if stop is None and script in done:
                stop = self._script_ended(poller, script.result())
            if stop is None and polls in done:
                polls.result()
                self._take_stock()
                stop = verdict.on_nodes(self.report.nodes)
            if stop is None and not done:
                stop = self._time_is_up(poller)
                pending.discard(script)
            if stop is not None:
                return stop

    def _time_is_up(self, poller: Poller) -> Verdict | None:
        """Look at the script before it is blamed: while we were away it may have ended in time."""
        ended = self._dependencies.script.has_ended() if self._dependencies.script else None
        if ended is not None:
            return self._script_ended(poller, ended)
        text = f"the script was still running after {self._script_limit_s():g} s"
        return failed(Reason.SCRIPT_TIMEOUT, text)

    async def _script_ends(self) -> Ended | None:
        script = self._dependencies.script
        if script is None:
            return None
        if self.report.script is None:  # it is not ours to launch
            started = await script.appears(self._foreign_begins_until_s())
            if started is None:
                text = "nobody was seen to run the script: it is not known to have run, and the nodes alone decide"
                self.warn(Spot("").warning(Code.SCRIPT_NOT_SEEN, text))
                return None
            self._note_start(started)
        return await script.ended()

    def _script_limit_s(self) -> float:
        """Return how long after the launch the script must have ended; somebody else may begin it later than we do."""
        settings = self.report.policy.script
        return settings.timeout_s + (0.0 if settings.launch else self._foreign_begins_within_s())

    def _foreign_begins_within_s(self) -> float:
        return max(self.report.policy.poll.delay_s, FOREIGN_BEGINS_WITHIN_S)

    def _foreign_begins_until_s(self) -> float:
        return self._launched_s() + self._foreign_begins_within_s()

    def _script_ended(self, poller: Poller, ended: Ended | None) -> Verdict | None:
        """Take note of how the script ended. From now on a node that is up has to show it."""
        if ended is None:  # there is none: the nodes alone decide
            begins_s = self._foreign_begins_until_s() if self._dependencies.script else self._launched_s()
            self._polling_has_an_end(poller, begins_s)
            return None
        self._note_script(ended)
        now = self._dependencies.now()
        if ended.state is ScriptState.INTERRUPTED and any(node.this_host for node in self.report.nodes):
            log.warning("this host was booted again as a node of the deployment: every node must prove a reboot")
            poller.require_reboot()
            self._polling_has_an_end(poller, 0.0)  # before this boot: another restart must not put the end off
            return None
        decided = verdict.on_script(ended, self._took_s(ended), self._script_limit_s())
        if decided is None:  # of an adopted script nothing may tell when it ended but that it is over now
            exited_s = ended.at.on_clock(self._dependencies.boot_id, now) if ended.at else now.boot_s
            self._polling_has_an_end(poller, exited_s)
        return decided

    def _took_s(self, ended: Ended) -> float:
        """Return how long the script ran, 0 where only a wall clock would tell."""
        clock = self.report.clock
        if ended.at is None or ended.at.boot_id != clock.boot_id or clock.launched_boot_s is None:
            return 0.0
        return ended.at.boot_s - clock.launched_boot_s

    def _polling_has_an_end(self, poller: Poller, exited_s: float) -> None:
        """Let the end count from the exit. Each restart after it puts the verdict off, but not for ever."""
        poller.script_exited(exited_s)
        if not self._resumed or (poller.schedule.ends_s or 0.0) > self._dependencies.now().boot_s:
            return
        times = self.report.clock.late_resumes + 1
        self._change(clock=self.report.clock.model_copy(update={"late_resumes": times}))
        if times > MAX_LATE_RESUMES:
            poller.judge_by_the_record()

    # --- the end

    async def _finish(self, decided: Verdict) -> Report:
        """Write the verdict down before it is carried out: after a crash in between nobody judges again."""
        if self.report.phase is not Phase.FINISHING:
            self._take_stock()
            warnings = verdict.end_warnings(self.report.nodes, self.report.policy.poll)
            self._change(problems=[*self.report.problems, *warnings])
            self._poller = None
            log_failed(self.report)
            self._change(outcome=decided.outcome, reason=decided.reason, message=decided.message)
            await self._enter(Phase.FINISHING, must=not self._script_may_run())
        await self._end_script()
        self._change(finished_at=rfc3339(self._dependencies.now().wall_s))
        await self._enter(Phase.FINISHED, must=True)
        level = logging.INFO if decided.outcome is Outcome.COMPLETED else logging.ERROR
        extra = self._fields(decided.event, reason=decided.reason)
        log.log(level, "deployment %s: %s", decided.outcome, decided.message, extra=extra)
        return self.report

    async def _end_script(self) -> None:
        """End what may still run. Whatever goes wrong there, the verdict stands and the answer comes."""
        if self._dependencies.script is None or not (self._script_may_run() or self._must_be_gone()):
            return
        try:
            ended = await self._dependencies.script.end()
        except Exception:
            log.exception("cannot end the script", extra=self._fields(Event.INTERNAL_ERROR))
            return
        if ended is not None and self._script_may_run():
            self._note_script(ended)
        if ended is not None and ended.state is ScriptState.RUNNING:  # nobody may believe that it is over
            left = "; ".join(warning.message for warning in ended.warnings)
            self._change(message=f"{self.report.message}; {left}")

    def _must_be_gone(self) -> bool:
        """After a cancellation nothing of the run goes on, not even what a script has left that had ended before."""
        return self.report.outcome is Outcome.CANCELLED and self.report.script is not None

    def _decided(self) -> Verdict | None:
        """Return the verdict that was written down before a crash."""
        report = self.report
        if report.phase is Phase.FINISHING and report.outcome is not None:
            return Verdict(report.outcome, report.reason, report.message)
        return None

    def _cancellation(self) -> Verdict | None:
        return verdict.cancelled() if self.cancelled.is_set() else None

    def _refused(self, reason: Reason, problems: Sequence[Problem]) -> Verdict:
        for problem in problems:  # what only two files together get wrong was not told when they arrived
            if problem.severity is Severity.ERROR:
                extra = self._fields(Event.PROBLEM, node_file=problem.file, reason=problem.code)
                log.error("%s", problem.line(), extra=extra)
        self._change(problems=[*self.report.problems, *problems])
        return verdict.refused(reason, problems)

    def _script_may_run(self) -> bool:
        return self.report.script is not None and self.report.script.state in _MAY_RUN

    def _note_script(self, ended: Ended) -> None:
        at = rfc3339(ended.at.wall_s) if ended.at else None
        self._change_script(state=ended.state, exit_code=ended.code, signal=ended.signal, finished_at=at)
        if ended.adopted:  # which may have come out late
            self._change_script(adopted=True)
        text = f"{ended.dropped_bytes} bytes of the script's output were dropped"
        dropped = [Spot("").warning(Code.OUTPUT_DROPPED, text)] if ended.dropped_bytes else []
        for warning in (*ended.warnings, *dropped):
            if warning not in self.report.problems:  # a daemon before us may have told it
                self.warn(warning)
        how = f"with status {ended.code}" if ended.code is not None else f"by signal {ended.signal}"
        if ended.adopted:
            how = "with a status that is not known"
        text = f"the script ended {how}" if ended.state is ScriptState.EXITED else f"the script is {ended.state}"
        log.info("%s", text, extra=self._fields(Event.SCRIPT_ENDED))

    # --- how it stands

    def _take_stock(self) -> None:
        """Put into the report how the nodes stand right now."""
        if self._poller is not None:
            pairs = zip(self.report.nodes, self._poller.polls, strict=True)
            nodes = [node.with_poll(poll) for node, poll in pairs]
            self._change(nodes=nodes, counts=counts_of(nodes))

    def warn(self, problem: Problem) -> None:
        """Put a warning into the report."""
        self._change(problems=[*self.report.problems, problem])

    @property
    def schedule(self) -> Schedule | None:
        """The slots, once there are any."""
        return self._poller.schedule if self._poller else None

    @property
    def idle_since_s(self) -> float | None:
        """Since when no attempt has ended, on the boot clock; None while none is due."""
        return self._poller.idle_since_s if self._poller and self.report.phase is Phase.POLLING else None

    def _make_poller(self) -> Poller:
        policy = self.report.policy
        schedule = Schedule(
            launched_s=self._launched_s(),
            delay_s=policy.poll.delay_s,
            interval_s=policy.poll.interval_s,
            attempts=policy.poll.attempts,
            back_s=self._dependencies.now().boot_s if self._resumed else 0.0,
        )

        async def ask(index: int) -> AttemptResult:
            stalled = self._poller is not None and self._poller.polls[index].stalled
            return await self._dependencies.attempt(self.report.nodes[index], stalled)

        def told(index: int, before: NodePoll, after: NodePoll) -> None:
            log_change(self.report, self.report.nodes[index], before, after)

        def was_away(seconds: float) -> None:
            text = "pinakad was paused for %.0f s: no node is given up before it was asked again"
            log.warning(text, seconds, extra=self._fields(Event.RESUMED))

        nodes = self.report.nodes
        polls, baselines = [node.poll() for node in nodes], [node.baseline for node in nodes]
        ask_limit_s = ASK_LIMIT_S + 2 * policy.ssh.attempt_limit_s  # far beyond: to wait for its turn is in it
        return Poller(baselines, polls, policy.poll, schedule, ask, self._dependencies.now, told, was_away, ask_limit_s)

    async def _tell_on(self) -> None:
        while True:
            if self._dependencies.tell_due():
                self._take_stock()
                self._tell()
            await asyncio.sleep(TELL_EVERY_S)

    async def _enter(self, phase: Phase, *, must: bool) -> None:
        """Go on to a phase. After the launch a full disk cannot stop the run: what is not durable is found again."""
        self._change(phase=phase)
        log.info("%s", phase, extra=self._fields(Event.PHASE))
        self._take_stock()
        await self._dependencies.save(self.report, must=must)
        if phase is Phase.LAUNCHING:  # while the script starts: it need not wait for what is only told
            asyncio.get_running_loop().call_soon(self._tell)
        else:
            self._tell()

    def _tell(self) -> None:
        self._dependencies.tell(self.report)

    def _launched_s(self) -> float:
        clock = self.report.clock
        at = Moment(clock.boot_id, clock.launched_boot_s or 0.0, wall_s(clock.launched_at) or 0.0)
        return at.on_clock(self._dependencies.boot_id, self._dependencies.now())

    def _is_this_host(self, node: NodeReport) -> bool:
        same_name = node.hostname.split(".")[0].lower() == self._dependencies.host.split(".")[0].lower()
        return same_name or node.boot_id_before == self._dependencies.boot_id

    def _change(self, **update: Any) -> None:
        self.report = self.report.model_copy(update=update)

    def _change_script(self, **update: Any) -> None:
        if self.report.script is not None:
            self._change(script=self.report.script.model_copy(update=update))

    def _fields(self, event: Event, **more: Any) -> dict[str, Any]:
        return fields(event, deployment_id=self.report.id, phase=self.report.phase, **more)


def _with_baseline(node: NodeReport, probe: AttemptResult) -> NodeReport:
    return node.but(boot_id_before=probe.boot_id, host_key=probe.host_key, reported_hostname=probe.hostname)


def _launched(clock: ClockPart, at: Moment) -> ClockPart:
    launched = {"boot_id": at.boot_id, "launched_boot_s": at.boot_s, "launched_at": rfc3339(at.wall_s)}
    return clock.model_copy(update=launched)
