import pytest
from report_example import LAUNCH_S, finished_report, new_report

from pinakad.polling.schedule import Schedule
from pinakad.polling.vocabulary import NodeReason, NodeState, Rung
from pinakad.report.document import Report
from pinakad.report.node import counts_of
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.report.wording import ago_text, duration_text, slowest_node, status_line

GRID = Schedule(launched_s=1000, delay_s=90, interval_s=5, attempts=120, exited_s=1010)


def polling(**changes: object) -> Report:
    report = finished_report()
    one, other = report.nodes
    nodes = [one, other.model_copy(update={"state": NodeState.WAITING, "reason": NodeReason.REFUSED, **changes})]
    return report.model_copy(update={"phase": Phase.POLLING, "nodes": nodes, "counts": counts_of(nodes)})


def test_polling_is_worded_as_readers_of_the_status_line_know_it() -> None:
    line = status_line(polling(), slowest_node(polling().nodes), GRID, 1155, LAUNCH_S)
    assert line == "polling: 1 of 2 nodes up, attempt 14/120, 9 min left; slowest: sqdn-003 (refused)"


def test_while_the_script_runs_nobody_knows_how_long() -> None:
    schedule = Schedule(launched_s=1000, delay_s=90, interval_s=5, attempts=120)
    assert "the script still runs" in status_line(polling(), slowest_node(polling().nodes), schedule, 1155, LAUNCH_S)


@pytest.mark.parametrize(
    ("report", "line"),
    [
        (None, "idle; no deployment yet"),
        (finished_report(), "idle; last deployment completed 5 min ago"),
        (
            finished_report().model_copy(update={"outcome": Outcome.FAILED, "reason": Reason.SCRIPT_FAILED}),
            "idle; last deployment failed (script_failed) 5 min ago",
        ),
        (
            finished_report().model_copy(update={"outcome": Outcome.CANCELLED, "reason": Reason.CANCELLED}),
            "idle; last deployment cancelled 5 min ago",
        ),
        (new_report(), "validating: deployment 20261123T212455Z.0001"),
    ],
)
def test_other_states_in_words(report: Report | None, line: str) -> None:
    assert status_line(report, None, None, 0, LAUNCH_S + 96 + 300) == line


def test_waiting_says_when_polling_begins() -> None:
    report = polling().model_copy(update={"phase": Phase.WAITING})
    assert status_line(report, None, GRID, 1045, 0) == "waiting: polling of 2 nodes begins in 45 s"


def test_the_slowest_node_is_the_one_with_the_fewest_rungs() -> None:
    one = finished_report().nodes[0].model_copy(update={"state": NodeState.WAITING})
    login = one.model_copy(update={"hostname": "login", "last_rung": Rung.LOGIN, "attempts": 9})
    banner = one.model_copy(update={"hostname": "banner", "last_rung": Rung.BANNER, "attempts": 5})
    dead = one.model_copy(update={"hostname": "dead", "last_rung": None, "attempts": 1})
    for nodes, hostname in (([login, banner], "banner"), ([login, banner, dead], "dead"), ([login], "login")):
        slowest = slowest_node(nodes)
        assert slowest is not None
        assert slowest.hostname == hostname
    assert slowest_node([]) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0.4, "0 s"), (89, "89 s"), (90, "2 min"), (480, "8 min"), (5399, "1 h 30 min"), (7500, "2 h 5 min")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_how_long_ago() -> None:
    assert [ago_text(seconds) for seconds in (-3600, 4.9, 300)] == ["just now", "just now", "5 min ago"]
