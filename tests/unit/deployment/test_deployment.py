"""Each outcome of a deployment that needs no real parts, and the time that it took."""

from itertools import pairwise

import pytest
from report_example import LAUNCH_S
from stage import BEGIN_S, NEW, OLD, Stage, StageScript, down, loop_s, node_file, up

from pinakad.nodes.reading import read_file
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, Rung
from pinakad.problems import Code, Spot
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended
from pinakad.times import rfc3339

pytestmark = pytest.mark.looptime(start=BEGIN_S)


def elapsed_s() -> float:
    return round(loop_s() - BEGIN_S, 3)


def codes(report: Report) -> list[Code]:
    return [problem.code for problem in report.problems]


async def test_a_run_that_completes_goes_through_its_phases_and_writes_each_down() -> None:
    stage = Stage()
    report = await stage.run()
    assert (report.outcome, report.reason, report.message) == (Outcome.COMPLETED, None, "all 2 nodes are up")
    assert [(phase, must, round(at_s)) for phase, must, at_s, _ in stage.saved] == [
        ("launching", True, 0),
        ("waiting", False, 0),
        ("polling", False, 90),
        ("finishing", True, 90),
        ("finished", True, 90),
    ]
    assert stage.asked == [("n1", 90), ("n2", 90)]
    assert report.counts.model_dump() == {"total": 2, "up": 2, "waiting": 0, "failed": 0}
    assert report.polling_at == rfc3339(LAUNCH_S + BEGIN_S + 90)
    assert report.script is not None
    assert (report.script.pid, report.script.state, report.script.exit_code) == (12, ScriptState.EXITED, 0)
    assert [node.rebooted for node in report.nodes] == [True, True]
    assert codes(report) == [Code.NOT_EXECUTABLE]


async def test_snapshot_and_baseline_are_written_down_before_the_launch() -> None:
    stage = Stage(files=[node_file(1), node_file(2, "n1", "192.0.2.9")])
    await stage.run()
    assert stage.snapshots == [["node_02.json"]]
    launching = stage.at("launching")
    assert [node.boot_id_before for node in launching.nodes] == [OLD]
    assert [entry.file for entry in launching.superseded] == ["node_01.json"]
    assert launching.script is not None
    assert (launching.script.pid, launching.clock.launched_boot_s) == (None, None)


BROKEN = read_file("node_01.json", b"{}", allow_loopback=False)
REFUSALS = [
    (Stage(files=Refusal(Reason.NODES_UNREADABLE, "permission denied")), Reason.NODES_UNREADABLE),
    (Stage(files=[]), Reason.NO_NODES),
    (Stage(files=[], request_nodes=["node_01.json"]), Reason.INVALID_REQUEST),
    (Stage(request_nodes=["node_07.json"]), Reason.INVALID_REQUEST),
    (Stage(files=[node_file(1), node_file(2, "n1")], request_nodes=["node_01.json"]), Reason.INVALID_REQUEST),
    (Stage(files=[BROKEN, node_file(2)], request_nodes=["node_07.json"]), Reason.INVALID_REQUEST),
    (Stage(files=[BROKEN, node_file(2)]), Reason.INVALID_NODES),
    (Stage(files=[BROKEN], script=StageScript(trouble=Refusal(Reason.SCRIPT_NOT_FOUND, "gone"))), Reason.INVALID_NODES),
    (
        Stage(
            script=StageScript(trouble=Refusal(Reason.SCRIPT_NOT_FOUND, "x")),
            key_problem=Refusal(Reason.SSH_KEY, "no key"),
        ),
        Reason.SCRIPT_NOT_FOUND,
    ),
    (Stage(script=StageScript(trouble=Refusal(Reason.SCRIPT_ALREADY_RUNNING, "x"))), Reason.SCRIPT_ALREADY_RUNNING),
    (Stage(key_problem=Refusal(Reason.SSH_KEY, "no key")), Reason.SSH_KEY),
]


@pytest.mark.parametrize(("stage", "reason"), REFUSALS, ids=[f"{n} {reason}" for n, (_, reason) in enumerate(REFUSALS)])
async def test_the_first_check_that_fails_gives_the_verdict_and_nothing_is_launched(
    stage: Stage, reason: Reason
) -> None:
    report = await stage.run()
    assert (report.outcome, report.reason) == (Outcome.FAILED, reason)
    assert report.message
    assert stage.script is not None
    assert stage.script.launches == 0
    assert stage.phases() == ["finishing", "finished"]
    assert elapsed_s() == 0


async def test_what_is_wrong_with_the_request_comes_first_and_no_node_file_is_read_for_it() -> None:
    stage = Stage(files=Refusal(Reason.NODES_UNREADABLE, "never read"), reading_s=5)
    problem = Spot("deployment_in_progress").error(Code.NOT_JSON, "a request is empty or a JSON object")
    report = await stage.run(stage.report().model_copy(update={"problems": [problem]}))
    assert report.reason is Reason.INVALID_REQUEST
    assert report.problems == [problem]
    assert elapsed_s() == 0


async def test_broken_files_that_are_not_asked_for_hold_nobody_up() -> None:
    stage = Stage(files=[BROKEN, node_file(2)], request_nodes=["node_02.json"])
    report = await stage.run()
    assert (report.outcome, [node.file for node in report.nodes]) == (Outcome.COMPLETED, ["node_02.json"])


async def test_a_launch_that_fails_is_reported_with_its_cause() -> None:
    stage = Stage(script=StageScript(launch_failure="no space left on device"))
    report = await stage.run()
    assert report.reason is Reason.LAUNCH_FAILED
    assert "no space left on device" in report.message


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (Ended(ScriptState.EXITED, code=3), "status 3"),
        (Ended(ScriptState.EXITED, signal=9), "signal 9"),
    ],
)
async def test_a_script_that_fails_ends_the_run_at_once(how: Ended, message: str) -> None:
    stage = Stage(script=StageScript(30, how))
    report = await stage.run()
    assert (report.reason, elapsed_s()) == (Reason.SCRIPT_FAILED, 30)
    assert message in report.message
    assert stage.asked == []
    assert stage.script is not None
    assert stage.script.end_calls == []


async def test_a_lost_script_is_not_believed_and_what_it_left_is_ended() -> None:
    stage = Stage(script=StageScript(30, Ended(ScriptState.LOST)))
    report = await stage.run()
    assert report.reason is Reason.SCRIPT_LOST
    assert stage.script is not None
    assert stage.script.end_calls == [30]


async def test_a_script_that_runs_too_long_is_ended_at_its_limit_counted_from_the_launch() -> None:
    stage = Stage(script=StageScript(None), asking_s=7)
    report = await stage.run()
    assert report.reason is Reason.SCRIPT_TIMEOUT
    assert stage.script is not None
    assert stage.script.end_calls == [3607]
    assert report.script is not None
    assert (report.script.state, report.script.signal) == (ScriptState.EXITED, 15)


async def test_the_verdict_is_written_down_before_the_script_is_ended() -> None:
    stage = Stage(script=StageScript(None))
    await stage.run()
    finishing = stage.at("finishing")
    assert finishing.script is not None
    assert (finishing.reason, finishing.script.state) == (Reason.SCRIPT_TIMEOUT, ScriptState.RUNNING)
    assert [must for phase, must, _, _ in stage.saved if phase == "finishing"] == [False]


async def test_polling_that_is_spent_names_the_nodes() -> None:
    stage = Stage(answer=lambda node, t: down(node, t) if node.hostname == "n2" else up()(node, t))
    report = await stage.run()
    assert (report.reason, elapsed_s()) == (Reason.NODES_UNREACHABLE, 110)
    assert report.message == "1 of 2 nodes did not come up: n2 (refused)"
    assert [node.state for node in report.nodes] == ["up", "failed"]
    assert report.nodes[1].reasons == {"refused": 4}


async def test_nodes_that_were_up_before_the_exit_must_show_it_once_more() -> None:
    stage = Stage(script=StageScript(300), answer=lambda node, t: up()(node, t) if t < 300 else down(node, t))
    report = await stage.run()
    assert report.reason is Reason.NODES_UNREACHABLE
    assert elapsed_s() == 320
    assert [moment for name, moment in stage.asked if name == "n1"] == [90, 300, 305, 310, 315]


@pytest.mark.parametrize("delay_s", [0.0, 3.0, 90.0])
async def test_every_node_has_all_its_attempts_however_long_a_phase_takes_to_be_written_down(delay_s: float) -> None:
    files = [node_file(number, address=f"192.0.{number // 250}.{number % 250 + 1}") for number in range(1, 301)]
    stage = Stage(files=files, answer=down, poll=PollSettings(delay_s=delay_s, attempts=4), saving_s=4.7)
    report = await stage.run()
    assert {node.attempts for node in report.nodes} == {4}
    assert stage.phases() == ["launching", "waiting", "polling", "finishing", "finished"]
    assert stage.written == stage.phases(), "none overtakes another"
    begin_s = 4.7 + delay_s  # the first report, of the launching, holds up the launch
    moments = [moment for name, moment in stage.asked if name == "n300"]
    assert moments == pytest.approx([begin_s + 0.3 + 5 * slot for slot in range(4)], abs=0.05)


async def test_a_verdict_is_not_written_down_before_the_phase_that_it_ends() -> None:
    stage = Stage(poll=PollSettings(delay_s=0), saving_s=30)
    await stage.run()
    assert stage.written == stage.phases()


async def test_without_a_script_of_ours_the_nodes_alone_decide() -> None:
    stage = Stage(script=None)
    report = await stage.run()
    assert (report.outcome, report.script, elapsed_s()) == (Outcome.COMPLETED, None, 90.01)


async def test_what_held_nobody_up_is_a_warning() -> None:
    def odd(node: NodeReport, _t: float) -> AttemptResult:
        return AttemptResult(loop_s(), Rung.COMMAND, None, "", HostKey.CHANGED, OLD, None, "installer")

    report = await Stage(files=[node_file(1)], answer=odd).run()
    assert report.outcome is Outcome.COMPLETED
    assert codes(report) == [Code.NOT_EXECUTABLE, Code.NOT_REBOOTED, Code.WRONG_HOST, Code.HOST_KEY_CHANGED]


async def test_requiring_reboots_without_a_delay_ends_as_soon_as_every_node_has_rebooted() -> None:
    settings = PollSettings(delay_s=0, reboot="require", attempts=100)
    stage = Stage(poll=settings, answer=lambda node, t: up(NEW if t > 61 else OLD)(node, t))
    report = await stage.run()
    assert report.outcome is Outcome.COMPLETED
    assert elapsed_s() == pytest.approx(65.01)
    assert report.nodes[0].reasons == {"not_rebooted": 13}


async def test_ignoring_reboots_asks_nobody_before_the_launch() -> None:
    stage = Stage(poll=PollSettings(reboot="ignore"), asking_s=1000)
    report = await stage.run()
    assert [node.boot_id_before for node in report.nodes] == [None, None]
    assert elapsed_s() == 90.01


async def test_progress_is_published_every_second() -> None:
    stage = Stage()
    await stage.run()
    moments = [at_s for phase, at_s in stage.told if phase in ("waiting", "polling")]
    assert max(b - a for a, b in pairwise(moments)) <= 1


async def test_a_launch_that_cannot_be_prepared_comes_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    stage = Stage(script=StageScript(bugs={"launch_prepared"}))
    deployment = stage.deployment()
    with deployment.launch_prepared():
        assert "cannot prepare the launch" in caplog.text
        assert (await deployment.run()).outcome is Outcome.COMPLETED
