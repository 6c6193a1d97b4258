"""Every phase against every step: which are allowed, what do they write, and does a refused one change nothing?"""

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_type_hints

import pytest
from paths import CHECKOUT
from report_example import finished_report, new_report

from pinakad.deployment import transitions, verdict
from pinakad.deployment.transitions import IllegalTransitionError
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import HostKey, NodeReason, NodeState, RebootEvidence, Rung
from pinakad.problems import Code, Spot
from pinakad.report.document import (
    ClockChange,
    ClockPart,
    Report,
    ReportChange,
    ScriptChange,
    ScriptPart,
)
from pinakad.report.node import NodeChange, NodeReport, SupersededPart
from pinakad.report.vocabulary import Outcome, Phase, Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Moment

AT = Moment("boot", 100.0, 1_700_000_000.0)
STARTED = Started(11, 12, 13, AT, 14)
ENDED = Ended(ScriptState.EXITED, code=3, at=AT)
WARNING = Spot("x").warning(Code.NOT_EXECUTABLE, "text")
SCRIPT = ScriptPart(path="/srv/x.sh", sha256="0" * 64, runner="subprocess")
NODES = list(finished_report().nodes)
FAILED = verdict.failed(Refusal(Reason.SCRIPT_FAILED, "it failed"))

Step = Callable[[Report], Report]
STEPS: dict[str, Step] = {
    "superseded": lambda r: transitions.superseded(r, [SupersededPart(file="a", hostname="h", by="b")]),
    "accepted": lambda r: transitions.accepted(r, NODES, [WARNING]),
    "script_prepared": lambda r: transitions.script_prepared(r, SCRIPT, [WARNING]),
    "asked": lambda r: transitions.asked(r, [node.but(this_host=True) for node in NODES]),
    "launching": transitions.launching,
    "script_started": lambda r: transitions.script_started(r, STARTED, asked_s=None),
    "launched": lambda r: transitions.launched(r, AT),
    "waiting": transitions.waiting,
    "polling": lambda r: transitions.polling(r, AT.wall_s),
    "polled": lambda r: transitions.polled(r, NODES),
    "script_ended": lambda r: transitions.script_ended(r, ENDED),
    "resumed_late": transitions.resumed_late,
    "decided": lambda r: transitions.decided(r, FAILED, [WARNING]),
    "script_left_running": lambda r: transitions.script_left_running(r, "pid 7 lives"),
    "finished": lambda r: transitions.finished(r, AT.wall_s),
    "warned": lambda r: transitions.warned(r, [WARNING]),
}

# The law once more, the long way: the phases in which each step is allowed, and the phase that it leads to, if any.
V, L, W, P, FI, DONE = (
    Phase.VALIDATING,
    Phase.LAUNCHING,
    Phase.WAITING,
    Phase.POLLING,
    Phase.FINISHING,
    Phase.FINISHED,
)
LAW: dict[str, tuple[set[Phase], Phase | None]] = {
    "superseded": ({V}, None),
    "accepted": ({V}, None),
    "script_prepared": ({V, L, W, P}, None),
    "asked": ({V}, None),
    "launching": ({V}, L),
    "script_started": ({L, W, P}, None),
    "launched": ({L}, None),
    "waiting": ({L}, W),
    "polling": ({W}, P),
    "polled": ({L, W, P}, None),
    "script_ended": ({L, W, P, FI}, None),
    "resumed_late": ({L, W, P}, None),
    "decided": ({V, L, W, P}, FI),
    "script_left_running": ({FI}, None),
    "finished": ({FI}, DONE),
    "warned": ({V, L, W, P, FI}, None),
}


THE_WHOLE_WAY = (
    *("superseded", "accepted", "script_prepared", "asked", "launching", "script_started", "launched"),
    *("waiting", "polling", "polled", "script_ended", "decided", "finished"),
)


def report_in(phase: Phase) -> Report:
    """Return a report that has come to a phase, with a script and a launch."""
    clock = new_report().clock.but(boot_id="boot", launched_boot_s=90.0)
    return new_report().but(phase=phase, script=SCRIPT, clock=clock, nodes=NODES)


def test_the_table_has_every_step_and_every_phase() -> None:
    steps = {
        name
        for name, function in inspect.getmembers(transitions, inspect.isfunction)
        if function.__module__ == transitions.__name__ and not name.startswith("_")
    }
    assert steps == set(STEPS) == set(LAW)
    assert {V, L, W, P, FI, DONE} == set(Phase)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("name", list(STEPS))
def test_each_phase_against_each_step(name: str, phase: Phase) -> None:
    before = report_in(phase)
    text = before.json_text()
    allowed, leads_to = LAW[name]
    if phase in allowed:
        after = STEPS[name](before)
        assert after.phase is (leads_to or phase)
        assert after.json_text() != text, "a step that writes nothing is none"
        assert Report.model_validate_json(after.json_text()) == after
    else:
        with pytest.raises(IllegalTransitionError, match=f"{name}|warned"):
            STEPS[name](before)
    assert before.json_text() == text


def test_waiting_needs_the_moment_of_the_launch() -> None:
    report = report_in(L)
    with pytest.raises(IllegalTransitionError, match="no moment of the launch"):
        transitions.waiting(report.but(clock=report.clock.but(launched_boot_s=None)))


def test_who_started_needs_an_entry_of_the_script() -> None:
    with pytest.raises(IllegalTransitionError, match="names no script"):
        transitions.script_started(report_in(L).but(script=None), STARTED, asked_s=None)


@pytest.mark.parametrize(("asked_s", "kept"), [(None, False), (99.0, True), (100.0, True), (100.5, False)])
def test_what_nodes_answered_after_a_foreign_start_proves_nothing(asked_s: float | None, *, kept: bool) -> None:
    nodes = [node.but(boot_id_before="old") for node in NODES]
    foreign = Started(0, 12, 13, AT, adopted=True)
    after = transitions.script_started(report_in(L).but(nodes=nodes), foreign, asked_s=asked_s)
    assert {node.boot_id_before for node in after.nodes} == ({"old"} if kept else {None})
    assert after.script is not None
    assert after.script.adopted
    assert [problem.code for problem in after.problems] == [Code.SCRIPT_ADOPTED]


def test_a_warning_of_the_script_is_noted_once() -> None:
    ended = Ended(ScriptState.EXITED, code=0, dropped_bytes=7, warnings=(WARNING, WARNING))
    once = transitions.script_ended(report_in(P), ended)
    assert [problem.code for problem in once.problems] == [Code.NOT_EXECUTABLE, Code.OUTPUT_DROPPED]
    assert transitions.script_ended(once, ended).problems == once.problems


def test_an_adopted_script_stays_one() -> None:
    adopted = report_in(P).but(script=SCRIPT.but(adopted=True))
    after = transitions.script_ended(adopted, ENDED)
    assert after.script is not None
    assert after.script.adopted


def test_the_whole_way() -> None:
    report = new_report()
    for name in THE_WHOLE_WAY:
        report = STEPS[name](report)
    assert (report.phase, report.outcome, report.reason) == (DONE, Outcome.FAILED, Reason.SCRIPT_FAILED)
    assert report.counts.total == len(NODES)


# --- no field is lost


@pytest.mark.parametrize(
    ("change", "model"),
    [(ReportChange, Report), (ClockChange, ClockPart), (ScriptChange, ScriptPart), (NodeChange, NodeReport)],
)
def test_what_may_be_changed_is_a_field_of_its_type(change: type, model: type) -> None:
    kinds, fields = get_type_hints(change), get_type_hints(model)
    assert kinds
    assert {name: fields.get(name) for name in kinds} == kinds


MISSPELT = """
from pinakad.report.document import Report
from pinakad.report.node import NodeReport

def change(report: Report, node: NodeReport) -> None:
    report.but(message="right")
    node.but(this_host=True)
    report.but(mesage="wrong")
    node.but(boot_id_befor="wrong")
"""


def test_a_misspelt_field_does_not_type_check(tmp_path: Path) -> None:
    """A keyword that no field has was taken before, and lost."""
    file = tmp_path / "misspelt.py"
    file.write_text(MISSPELT, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", CHECKOUT / "pyproject.toml"]
    done = subprocess.run(
        [*command, "--cache-dir", tmp_path / "cache", file], capture_output=True, text=True, check=False, cwd=CHECKOUT
    )
    lines = [line for line in done.stdout.splitlines() if "misspelt.py" in line and "error" in line]
    assert [line.split(":")[1] for line in lines] == ["8", "9"], done.stdout


def test_every_poll_goes_into_the_report_and_back() -> None:
    """A field that is forgotten in the table of names would be lost by a restart."""
    poll = NodePoll(
        state=NodeState.FAILED,
        attempts=7,
        rung=Rung.LOGIN,
        last_rung=Rung.COMMAND,
        reason=NodeReason.TIMEOUT,
        reasons={NodeReason.TIMEOUT: 7},
        message="text",
        first_attempt_wall_s=1_700_000_000.0,
        last_attempt_wall_s=1_700_000_001.0,
        up_wall_s=1_700_000_002.0,
        host_key=HostKey.NEW,
        boot_id="new",
        rebooted=True,
        reboot_evidence=RebootEvidence.BOOT_ID,
        hostname="n1",
        stable_count=2,
    )
    node = NODES[0].with_poll(poll)
    assert (node.boot_id_after, node.up_at) == ("new", "2023-11-14T22:13:22.000Z")
    assert Report.model_validate_json(report_in(P).but(nodes=[node]).json_text()).nodes[0].poll() == poll
