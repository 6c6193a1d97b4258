"""What is written and published, and when, while a run goes on?"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace

import pytest
from report_example import finished_report
from stage import BEGIN_S, Stage

from pinakad.deployment import transitions
from pinakad.deployment.record import RunRecord
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import NodeState
from pinakad.problems import Code, Spot
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Moment

pytestmark = pytest.mark.looptime(start=BEGIN_S)

AT = Moment("boot", 100.0, 1_700_000_000.0)
STARTED = Started(11, 12, 13, AT, 14)


def polls_of(report: Report, state: NodeState) -> Sequence[NodePoll]:
    return [node.poll()._replace(state=state) for node in report.nodes]


def at_phase(phase: Phase) -> Report:
    return finished_report().but(phase=phase, outcome=None, finished_at=None)


class Run:
    """A record, and the order in which its report is saved and published."""

    def __init__(self, report: Report, *, due: bool = True) -> None:
        self.steps: list[tuple[str, str]] = []
        stage = Stage()
        made = stage.dependencies()

        async def save(report: Report, *, must: bool) -> None:
            await asyncio.sleep(0)
            self.steps.append(("durable" if must else "saved", report.phase))

        async def publish_progress(report: Report, _polls: Sequence[NodePoll]) -> None:
            await asyncio.sleep(0)
            self.steps.append(("progress", report.phase))

        self.record = RunRecord(
            report,
            replace(
                made,
                save=save,
                publish=lambda report: self.steps.append(("published", report.phase)),
                publish_due=lambda: due,
                publish_progress=publish_progress,
            ),
        )


@pytest.mark.parametrize("must", [True, False])
async def test_a_phase_is_saved_before_readers_see_it(must: bool) -> None:
    run = Run(at_phase(Phase.WAITING))
    await run.record.enter(transitions.polling(run.record.report, 0.0), must=must)
    assert run.steps == [("durable" if must else "saved", "polling"), ("published", "polling")]


async def test_the_launch_does_not_wait_for_readers() -> None:
    run = Run(at_phase(Phase.VALIDATING))
    await run.record.enter(transitions.launching(run.record.report), must=True)
    assert run.steps == [("durable", "launching")]
    await asyncio.sleep(0)
    assert run.steps[1:] == [("published", "launching")]


async def test_a_phase_is_saved_with_the_present_state_of_the_nodes() -> None:
    run = Run(at_phase(Phase.WAITING))
    report = run.record.report
    run.record.polls = lambda: polls_of(report, NodeState.FAILED)
    await run.record.enter(transitions.polling(report, 0.0), must=False)
    assert (run.record.report.counts.failed, run.record.report.counts.up) == (2, 0)


@pytest.mark.parametrize("due", [True, False])
async def test_progress_is_put_together_only_where_it_is_due(due: bool) -> None:
    run = Run(at_phase(Phase.POLLING), due=due)
    report = run.record.report
    asked = []

    def polls() -> Sequence[NodePoll]:
        asked.append("polls")
        return polls_of(report, NodeState.WAITING)

    run.record.polls = polls
    await run.record.publish_progress()
    assert (run.steps, asked) == (([("progress", "polling")], ["polls"]) if due else ([], []))


async def test_a_phase_that_is_entered_while_nodes_are_polled_is_shown_without_holding_the_loop() -> None:
    run = Run(at_phase(Phase.WAITING))
    report = run.record.report
    run.record.polls = lambda: polls_of(report, NodeState.WAITING)
    await run.record.enter(transitions.polling(report, 0.0), must=False)
    assert run.steps == [("saved", "polling"), ("progress", "polling")]


async def test_a_node_that_was_not_asked_since_the_last_time_keeps_its_entry() -> None:
    run = Run(at_phase(Phase.POLLING))
    first, second = run.record.report.nodes
    polls = [first.poll(), second.poll()._replace(attempts=second.attempts + 1)]
    run.record.polls = lambda: polls
    run.record.note_polls()
    noted = run.record.report.nodes
    assert noted[0] is first
    assert (noted[1].attempts, noted[1].hostname) == (second.attempts + 1, second.hostname)


async def test_while_nobody_polls_the_nodes_stay_as_they_are() -> None:
    run = Run(at_phase(Phase.POLLING))
    before = run.record.report
    run.record.note_polls()
    assert run.record.report is before


async def test_a_start_is_noted_in_an_entry_that_is_made_where_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = Run(at_phase(Phase.LAUNCHING).but(script=None))
    run.record.script_started(STARTED)
    script = run.record.report.script
    assert script is not None
    assert (script.pid, script.supervisor_pid, script.state) == (12, 11, ScriptState.RUNNING)
    assert caplog.records[-1].getMessage() == "the script runs with pid 12"


async def test_a_foreign_start_after_the_baselines_leaves_them_in_force(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for asked_s, kept in ((AT.boot_s - 1, True), (AT.boot_s + 1, False), (None, False)):
        run = Run(at_phase(Phase.LAUNCHING))
        nodes = [node.but(boot_id_before="old") for node in run.record.report.nodes]
        run.record.report = run.record.report.but(nodes=nodes)
        run.record.asked_s = asked_s
        run.record.script_started(replace(STARTED, adopted=True))
        assert [node.boot_id_before for node in run.record.report.nodes] == ["old" if kept else None] * 2
        assert "which somebody else started" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (Ended(ScriptState.EXITED, code=3, at=AT), "the script ended with status 3"),
        (Ended(ScriptState.EXITED, signal=9, at=AT), "the script ended by signal 9"),
        (Ended(ScriptState.EXITED, adopted=True), "the script ended with a status that is not known"),
        (Ended(ScriptState.LOST), "the script is lost"),
        (Ended(ScriptState.INTERRUPTED), "the script is interrupted"),
    ],
)
async def test_each_end_of_the_script_is_noted_and_logged(
    ended: Ended, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    run = Run(at_phase(Phase.POLLING))
    run.record.script_ended(ended)
    script = run.record.report.script
    assert script is not None
    assert (script.state, script.exit_code, script.signal) == (ended.state, ended.code, ended.signal)
    assert caplog.records[-1].getMessage() == text


@pytest.mark.parametrize("state", list(ScriptState))
async def test_a_script_may_run_until_its_end_is_known(state: ScriptState) -> None:
    report = at_phase(Phase.POLLING)
    assert report.script is not None
    run = Run(report.but(script=report.script.but(state=state)))
    assert run.record.script_may_run is (state in {ScriptState.LAUNCHING, ScriptState.RUNNING, ScriptState.LOST})


async def test_no_script_does_not_run() -> None:
    assert not Run(at_phase(Phase.POLLING).but(script=None)).record.script_may_run


async def test_warnings_are_added_in_their_order() -> None:
    run = Run(at_phase(Phase.POLLING).but(problems=[]))
    first, second = (Spot("x").warning(Code.NOT_REBOOTED, text) for text in ("one", "two"))
    run.record.warn(first)
    run.record.warn(second)
    assert run.record.report.problems == [first, second]
