"""A run that is stopped: by its operator, or by a bug. Its script ends, and an answer comes."""

import asyncio
from typing import Any, cast

import pytest
from stage import BEGIN_S, Stage, StageScript, down, loop_s

from pinakad.polling.vocabulary import AttemptResult
from pinakad.problems import Code, Spot
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState
from pinakad.script.outcome import Ended

pytestmark = pytest.mark.looptime(start=BEGIN_S)


@pytest.mark.parametrize(
    ("stage", "after_s"),
    [
        (Stage(reading_s=10), 5),
        (Stage(asking_s=10), 5),
        (Stage(), 45),
        (Stage(answer=down), 95),
        (Stage(script=StageScript(None)), 3000),
    ],
    ids=["reading", "asking", "waiting", "polling", "script runs"],
)
async def test_a_cancelled_run_ends_soon_with_its_script(stage: Stage, after_s: float) -> None:
    deployment = stage.deployment()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(deployment.run(), name="run")
        await asyncio.sleep(after_s)
        deployment.cancelled.set()
    report = run.result()
    assert (report.outcome, report.reason) == (Outcome.CANCELLED, Reason.CANCELLED)
    assert round(loop_s() - BEGIN_S, 3) <= max(after_s, 10)
    assert stage.script is not None
    assert stage.script.launches == (after_s > 10)
    assert bool(stage.script.end_calls) is (report.script is not None)  # also what an ended one has left is ended


async def test_a_verdict_says_that_a_script_which_somebody_else_started_goes_on() -> None:
    warning = Spot("x.sh").warning(Code.SCRIPT_LEFT_RUNNING, "process 12 still runs the script")
    script = StageScript(None, left=Ended(ScriptState.RUNNING, adopted=True, warnings=(warning,)))
    deployment = Stage(script=script).deployment()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(deployment.run(), name="run")
        await asyncio.sleep(3000)
        deployment.cancelled.set()
    report = run.result()
    assert report.outcome is Outcome.CANCELLED
    assert report.problems.count(warning) == 1
    assert report.message.endswith("; process 12 still runs the script")


async def test_the_operator_comes_before_the_script_and_the_script_before_the_nodes() -> None:
    stage = Stage(script=StageScript(50, Ended(ScriptState.EXITED, code=1)))
    deployment = stage.deployment()
    async with asyncio.TaskGroup() as group:
        run = group.create_task(deployment.run(), name="run")
        asyncio.get_running_loop().call_at(BEGIN_S + 50, deployment.cancelled.set)
    assert run.result().reason is Reason.CANCELLED


@pytest.mark.parametrize("bug", ["read", "ask", "ended"])
async def test_a_bug_of_our_own_is_an_answer_and_the_script_is_ended(
    bug: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_node: NodeReport, _t: float) -> AttemptResult:
        raise ZeroDivisionError

    stage = Stage(script=StageScript(None))
    if bug == "read":
        stage.files = [cast("Any", None)]
    if bug == "ask":
        stage.answer = broken
    if bug == "ended" and stage.script:
        stage.script.bugs.add("ended")
    report = await stage.run()
    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.INTERNAL_ERROR)
    assert "Traceback" in caplog.text
    assert stage.script is not None
    assert bool(stage.script.end_calls) is (bug != "read")


async def test_a_bug_while_the_script_is_ended_takes_nobodys_answer_away(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(script=StageScript(None, bugs={"ended", "end"}))
    report = await stage.run()
    assert (report.phase, report.reason) == (Phase.FINISHED, Reason.INTERNAL_ERROR)
    assert "cannot end the script" in caplog.text
