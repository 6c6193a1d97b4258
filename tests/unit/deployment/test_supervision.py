"""Who decides after the launch, which phases are written until then, and what is left of the tasks afterwards?"""

import asyncio
from collections.abc import Callable

import pytest
from stage import BEGIN_S, NEW, Stage, StageScript, down, loop_s, up

from pinakad.config import ScriptSettings
from pinakad.deployment import transitions
from pinakad.deployment.preflight import Preflight
from pinakad.deployment.record import RunRecord
from pinakad.deployment.supervision import MAX_LATE_RESUMES, Supervision
from pinakad.deployment.verdict import Verdict
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason
from pinakad.problems import Code
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Moment

pytestmark = pytest.mark.looptime(start=BEGIN_S)


class Run:
    """The supervision of a run that has just been launched."""

    def __init__(self, record: RunRecord, stage: Stage) -> None:
        self.record = record
        self.cancelled = asyncio.Event()
        self.supervision = Supervision(record, stage.dependencies(), self.cancelled, resumed=False)

    def cancel_at(self, at_s: float) -> None:
        asyncio.get_running_loop().call_at(BEGIN_S + at_s, self.cancelled.set)

    async def decide(self) -> Verdict:
        decided = await self.supervision.decide()
        assert tasks_beside_this() == []
        return decided


def tasks_beside_this() -> list[str]:
    this = asyncio.current_task()
    return sorted(task.get_name() for task in asyncio.all_tasks() if task is not this)


async def launched(stage: Stage, *, launch: bool = True) -> Run:
    """Bring a run as far as its launch; without `launch` somebody else is to start the script."""
    dependencies = stage.dependencies()
    report = stage.report()
    policy = report.policy.model_copy(update={"script": ScriptSettings(launch=launch)})
    record = RunRecord(report.model_copy(update={"policy": policy}), dependencies)
    preflight = Preflight(record, dependencies)
    assert await preflight.validate() is None
    await preflight.take_baselines()
    record.report = transitions.launching(record.report)
    at = Moment(stage.boot_id, loop_s(), dependencies.now().wall_s)
    if launch and stage.script is not None:
        started = await stage.script.launch()
        assert isinstance(started, Started)
        record.script_started(started)
    record.report = transitions.launched(record.report, at)
    return Run(record, stage)


REFUSED_BEFORE = NodePoll(attempts=3, reason=NodeReason.REFUSED, reasons={NodeReason.REFUSED: 3}, message="refused")
FAILS = Ended(ScriptState.EXITED, code=1)


@pytest.mark.parametrize(
    ("script", "cancel_s", "outcome", "reason", "took_s"),
    [
        (StageScript(10), None, Outcome.COMPLETED, None, 90.01),
        (StageScript(10, FAILS), None, Outcome.FAILED, Reason.SCRIPT_FAILED, 10),
        (StageScript(None), None, Outcome.FAILED, Reason.SCRIPT_TIMEOUT, 3600),
        (StageScript(None), 50, Outcome.CANCELLED, Reason.CANCELLED, 50),
        (StageScript(None), 95, Outcome.CANCELLED, Reason.CANCELLED, 95),
        (StageScript(50, FAILS), 50, Outcome.CANCELLED, Reason.CANCELLED, 50),
        (StageScript(None), 3600, Outcome.CANCELLED, Reason.CANCELLED, 3600),
    ],
    ids=["nodes", "script", "time", "operator", "operator while polling", "operator before script", "operator in time"],
)
async def test_the_first_to_decide_gives_the_verdict_and_nothing_goes_on(
    script: StageScript, cancel_s: float | None, outcome: Outcome, reason: Reason | None, took_s: float
) -> None:
    run = await launched(Stage(script=script))
    if cancel_s is not None:
        run.cancel_at(cancel_s)
    decided = await run.decide()
    assert (decided.outcome, decided.reason) == (outcome, reason)
    assert loop_s() - BEGIN_S == pytest.approx(took_s)
    assert script.end_calls == []  # the verdict is written down before it is carried out


async def test_nodes_that_are_up_decide_only_after_the_script() -> None:
    run = await launched(Stage(script=StageScript(200)))
    decided = await run.decide()
    assert (decided.outcome, loop_s() - BEGIN_S >= 200) == (Outcome.COMPLETED, True)


async def test_polling_that_is_spent_names_the_nodes_in_the_verdict() -> None:
    run = await launched(Stage(answer=down))
    decided = await run.decide()
    assert decided.reason is Reason.NODES_UNREACHABLE
    assert run.record.report.counts.failed == 2


@pytest.mark.parametrize(
    ("cancel_s", "phases"),
    [(10.0, [("waiting", 0.0)]), (95.0, [("waiting", 0.0), ("polling", 90.0)])],
)
async def test_only_phases_that_a_run_reaches_are_written_and_none_of_them_must_be(
    cancel_s: float, phases: list[tuple[str, float]]
) -> None:
    stage = Stage(script=StageScript(None))
    run = await launched(stage)
    run.cancel_at(cancel_s)
    await run.decide()
    assert [(phase, at_s) for phase, must, at_s, _ in stage.saved if not must] == phases
    assert len(stage.saved) == len(phases)


async def test_a_phase_that_is_being_written_is_written_to_its_end() -> None:
    stage = Stage(script=StageScript(None), saving_s=20)
    run = await launched(stage)
    run.cancel_at(95)
    await run.decide()
    assert (stage.written, loop_s() - BEGIN_S) == (["waiting", "polling"], 110)


@pytest.mark.parametrize(("boot_id", "outcome"), [(NEW, Outcome.COMPLETED), (None, Outcome.COMPLETED)])
async def test_where_nobody_is_seen_to_start_the_script_the_nodes_alone_decide(
    boot_id: str | None, outcome: Outcome
) -> None:
    run = await launched(Stage(answer=up(boot_id)), launch=False)
    decided = await run.decide()
    assert decided.outcome is outcome
    assert Code.SCRIPT_NOT_SEEN in [problem.code for problem in run.record.report.problems]
    assert run.record.report.script is None


async def test_a_run_without_a_script_is_decided_by_its_nodes() -> None:
    run = await launched(Stage(script=None))
    assert (await run.decide()).outcome is Outcome.COMPLETED
    assert run.record.report.problems == []


def _broken(_node: NodeReport, _t: float) -> AttemptResult:
    raise ZeroDivisionError


def _bug_in_attempt() -> Stage:
    return Stage(script=StageScript(None), answer=_broken)


def _bug_in_script() -> Stage:
    return Stage(script=StageScript(None, bugs={"ended"}))


@pytest.mark.parametrize("stage_of", [_bug_in_attempt, _bug_in_script])
async def test_a_bug_comes_through_and_ends_all_tasks(stage_of: Callable[[], Stage]) -> None:
    run = await launched(stage_of())
    with pytest.raises(ExceptionGroup) as raised:
        await run.supervision.decide()
    assert raised.group_contains(ZeroDivisionError)
    assert tasks_beside_this() == []


@pytest.mark.parametrize("at_s", [0.0, 10.0, 91.0])
async def test_a_daemon_that_stops_leaves_no_task_and_no_verdict(at_s: float) -> None:
    run = await launched(Stage(script=StageScript(None)))
    async with asyncio.TaskGroup() as group:
        decide = group.create_task(run.supervision.decide(), name="decide")
        await asyncio.sleep(at_s)
        decide.cancel()
    assert decide.cancelled()
    assert tasks_beside_this() == []
    assert run.record.report.phase in {Phase.LAUNCHING, Phase.WAITING, Phase.POLLING}
    assert run.record.report.outcome is None


@pytest.mark.parametrize(("late_resumes", "put_off"), [(0, True), (MAX_LATE_RESUMES, False)])
async def test_a_restart_after_the_end_of_polling_puts_the_verdict_off_but_not_for_ever(
    late_resumes: int, put_off: bool
) -> None:
    stage = Stage(script=StageScript(0.0), answer=down, poll=PollSettings(attempts=4))
    record = (await launched(stage)).record
    report = transitions.polling(transitions.waiting(record.report), 0.0)
    nodes = [node.with_poll(REFUSED_BEFORE) for node in report.nodes]
    record.report = report.but(nodes=nodes, clock=report.clock.but(late_resumes=late_resumes))
    await asyncio.sleep(10_000)
    began_s = loop_s()
    decided = await Supervision(record, stage.dependencies(), asyncio.Event(), resumed=True).decide()
    assert decided.reason is Reason.NODES_UNREACHABLE
    assert record.report.clock.late_resumes == late_resumes + 1
    assert (loop_s() - began_s, stage.asked == []) == ((pytest.approx(0.01), False) if put_off else (0.0, True))
