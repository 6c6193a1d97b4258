"""A deployment after a crash: does it go on where it was, and never twice?"""

import asyncio
from dataclasses import replace

import pytest
from field import pause
from report_example import LAUNCH_S
from stage import BEGIN_S, NEW, OLD, OTHER_BOOT, THIS_BOOT, Stage, StageScript, down, loop_s, up

from pinakad.deployment.supervision import MAX_LATE_RESUMES
from pinakad.polling.settings import PollSettings
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState
from pinakad.script.outcome import Ended
from pinakad.times import Moment, rfc3339

pytestmark = pytest.mark.looptime(start=BEGIN_S)


async def interrupted_at(phase: str, stage: Stage) -> Report:
    """Run until a phase is written down, and return what a crash then leaves."""
    deployment = stage.deployment()
    task = asyncio.get_running_loop().create_task(deployment.run(), name="run")
    await stage.reaches(phase)
    task.cancel()
    await asyncio.wait([task])
    report = stage.at(phase)
    stage.saved.clear()
    return report


@pytest.mark.parametrize("phase", ["launching", "waiting", "polling"])
@pytest.mark.parametrize("away_s", [0.0, 30.0])
async def test_a_run_goes_on_at_any_phase_and_its_script_is_launched_once(phase: str, away_s: float) -> None:
    stage = Stage(script=StageScript(150))
    left = await interrupted_at(phase, stage)
    await asyncio.sleep(away_s)
    report = await stage.run(left, resumed=True)
    assert report.outcome is Outcome.COMPLETED
    assert stage.script is not None
    assert stage.script.launches == 1
    launched_s = BEGIN_S + (away_s if phase == "launching" else 0)
    assert report.clock.launched_boot_s == launched_s
    assert loop_s() - launched_s == pytest.approx(152, abs=5.1)


@pytest.mark.parametrize("written", [False, True])
async def test_a_verdict_that_was_written_down_is_not_judged_again(written: bool) -> None:
    stage = Stage(script=StageScript(None))
    finished = await stage.run()
    left = stage.at("finishing" if written else "polling")
    stage.saved.clear()
    again = Stage(script=StageScript(0.0, launched=stage.script.launched if stage.script else None))
    report = await again.run(left, resumed=True)
    assert (report.reason is Reason.SCRIPT_TIMEOUT) is written
    assert not written or (report.message, again.asked) == (finished.message, [])
    assert again.script is not None
    assert bool(again.script.end_calls) is written


async def test_a_script_that_exited_in_time_while_the_daemon_was_away_did_not_time_out() -> None:
    stage = Stage(script=StageScript(600))
    left = await interrupted_at("polling", stage)
    await asyncio.sleep(5000)
    report = await stage.run(left, resumed=True)
    assert report.outcome is Outcome.COMPLETED


async def test_a_daemon_that_was_away_polls_a_full_round_before_it_blames_the_nodes() -> None:
    stage = Stage(answer=down)
    left = await interrupted_at("polling", stage)
    await asyncio.sleep(5000)
    back_s, asked = loop_s(), len(stage.asked)
    report = await stage.run(left, resumed=True)
    assert report.reason is Reason.NODES_UNREACHABLE
    assert [name for name, _ in stage.asked[asked:]] == ["n1", "n2"]
    assert loop_s() - back_s <= 5.01  # an interval, and what an attempt at a dead node takes


async def test_a_daemon_that_is_restarted_again_and_again_after_the_end_gives_its_verdict_in_time() -> None:
    stage = Stage(answer=down)
    left = await interrupted_at("polling", stage)
    await asyncio.sleep(5000)
    lives = 0
    while not left.is_finished:
        lives += 1
        stage.reached.clear()
        deployment = stage.deployment(left, resumed=True)
        run = asyncio.get_running_loop().create_task(deployment.run(), name="run")
        await asyncio.wait([run], timeout=1.5)  # never long enough for a round
        run.cancel()
        await asyncio.wait([run])
        left = Report.model_validate_json(deployment.report.json_text())
    assert left.reason is Reason.NODES_UNREACHABLE
    assert lives <= MAX_LATE_RESUMES + 2


async def test_a_pause_past_the_time_limit_does_not_blame_a_script_that_ended_in_time() -> None:
    stage = Stage(script=StageScript(3500))
    asyncio.get_running_loop().call_at(BEGIN_S + 3499, pause, 5000)
    report = await stage.run()
    assert report.outcome is Outcome.COMPLETED
    assert report.script is not None
    assert report.script.finished_at == rfc3339(LAUNCH_S + BEGIN_S + 3500)


@pytest.mark.parametrize("restarted", [True, False])
@pytest.mark.parametrize("code", [0, 3])
async def test_a_script_that_ended_by_itself_too_late_while_nobody_was_there_has_timed_out(
    code: int, restarted: bool
) -> None:
    stage = Stage(script=StageScript(3700, Ended(ScriptState.EXITED, code=code)))
    left = await interrupted_at("polling", stage) if restarted else None
    if restarted:
        await asyncio.sleep(5000)
    else:
        asyncio.get_running_loop().call_at(BEGIN_S + 3499, pause, 5000)
    report = await stage.run(left, resumed=restarted)
    assert report.reason is Reason.SCRIPT_TIMEOUT
    assert report.message == "the script ran for 3700 s, longer than 3600 s"
    assert report.script is not None
    assert (report.script.state, report.script.exit_code) == (ScriptState.EXITED, code)


@pytest.mark.parametrize("at_s", [1, 50, 89.9, 91, 96, 109, 110, 111])
@pytest.mark.parametrize("exits_after_s", [0.0, 95.0])
async def test_a_pause_at_any_time_leaves_nodes_that_are_up_their_verdict(at_s: float, exits_after_s: float) -> None:
    stage = Stage(script=StageScript(exits_after_s), answer=lambda node, t: (up() if t > 300 else down)(node, t))
    asyncio.get_running_loop().call_at(BEGIN_S + at_s, pause, 700)
    report = await stage.run()
    assert report.outcome is Outcome.COMPLETED or loop_s() - BEGIN_S <= at_s + 0.02


async def test_a_run_that_is_cancelled_while_its_end_is_put_off_ends_at_once() -> None:
    stage = Stage(answer=down)
    left = await interrupted_at("polling", stage)
    await asyncio.sleep(5000)
    deployment = stage.deployment(left, resumed=True)
    asyncio.get_running_loop().call_later(0.005, deployment.cancelled.set)  # an attempt takes twice that
    report = await deployment.run()
    assert report.reason is Reason.CANCELLED
    assert loop_s() - BEGIN_S < 5095


async def test_nobody_is_believed_for_what_was_seen_before_the_interruption() -> None:
    stage = Stage()
    done = await stage.run()
    left = stage.at("polling").model_copy(update={"nodes": done.nodes})
    stage.asked.clear()
    stage.answer = down
    report = await stage.run(left, resumed=True)
    assert report.reason is Reason.NODES_UNREACHABLE
    assert {name for name, _ in stage.asked} == {"n1", "n2"}


async def test_dropped_output_is_warned_about_once_however_often_the_daemon_restarts() -> None:
    script = StageScript(0.0, Ended(ScriptState.EXITED, code=0, dropped_bytes=7))
    stage = Stage(script=script)
    left = await interrupted_at("polling", stage)
    report = await stage.run(left, resumed=True)
    assert [item.code for item in report.problems].count("output_dropped") == 1


def _rebooted(stage: Stage) -> Stage:
    """Return the stage after a reboot of the host: another boot, a clock that began anew, the script cut short."""
    assert stage.script is not None
    script = replace(stage.script, how=Ended(ScriptState.INTERRUPTED), exits_after_s=-1e6)
    script.launched = Moment(OTHER_BOOT, 900_000.0, script.launched.wall_s if script.launched else 0.0)
    return replace(stage, script=script, asked=[], saved=[])


def _of_another_boot(report: Report) -> Report:
    clock = report.clock.model_copy(update={"boot_id": OTHER_BOOT, "launched_boot_s": 900_000.0})
    return report.model_copy(update={"clock": clock})


async def test_a_host_that_reboots_during_the_script_has_interrupted_it() -> None:
    stage = Stage(script=StageScript(None))
    left = _of_another_boot(await interrupted_at("waiting", stage))
    report = await _rebooted(stage).run(left, resumed=True)
    assert report.reason is Reason.SCRIPT_INTERRUPTED
    assert report.script is not None
    assert report.script.state is ScriptState.INTERRUPTED


@pytest.mark.parametrize("boot_id", [NEW, OLD, None])
@pytest.mark.parametrize("recognized", ["name", "boot id"])
async def test_a_host_that_is_itself_a_node_completes_if_every_node_has_provably_rebooted(
    boot_id: str | None, recognized: str
) -> None:
    stage = Stage(script=StageScript(None), poll=PollSettings(attempts=3))
    if recognized == "name":
        stage.host = "N2.example.org"
    else:
        stage.baseline = lambda node, t: up(THIS_BOOT if node.hostname == "n2" else OLD)(node, t)
    left = _of_another_boot(await interrupted_at("waiting", stage))
    assert [node.this_host for node in left.nodes] == [False, True]
    after = _rebooted(stage)
    after.answer = up(boot_id)
    report = await after.run(left, resumed=True)
    everybody = boot_id == NEW
    assert report.outcome is (Outcome.COMPLETED if everybody else Outcome.FAILED)
    assert everybody or report.reason is Reason.NODES_UNREACHABLE


async def test_over_a_reboot_of_the_host_the_wall_clock_gives_the_time_since_the_launch() -> None:
    stage = Stage()
    left = _of_another_boot(await interrupted_at("waiting", stage))
    await asyncio.sleep(40)
    script = replace(stage.script, launched=Moment(THIS_BOOT, BEGIN_S, 0.0)) if stage.script else None
    report = await replace(stage, script=script, asked=[], saved=[]).run(left, resumed=True)
    assert report.outcome is Outcome.COMPLETED
    assert loop_s() - BEGIN_S == pytest.approx(90, abs=0.5)


async def test_a_finished_phase_is_the_last_thing_that_is_written() -> None:
    stage = Stage()
    report = await stage.run()
    assert report.phase is Phase.FINISHED
    assert stage.at("finished") == report
