import pytest
from report_example import finished_report
from stage import node_file

from pinakad.deployment.verdict import cancelled, end_warnings, on_nodes, on_script, refused, request_problems
from pinakad.nodes.selection import select_nodes
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import HostKey, NodeReason, NodeState
from pinakad.problems import MAX_PROBLEMS, Code, Problem, Severity, Spot
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Reason, ScriptState
from pinakad.script.outcome import Ended


def node(number: int, **changes: object) -> NodeReport:
    plain = {
        "file": f"node_{number:02}.json",
        "hostname": f"n{number}",
        "reported_hostname": None,
        "boot_id_after": f"b{number}",
    }
    sound = {"host_key": HostKey.SAME, "rebooted": True, "state": NodeState.UP}
    return finished_report().nodes[0].model_copy(update=plain | sound | changes)


@pytest.mark.parametrize(
    ("ended", "reason", "part"),
    [
        (Ended(ScriptState.EXITED, code=0), None, ""),
        (Ended(ScriptState.EXITED, code=1), Reason.SCRIPT_FAILED, "status 1"),
        (Ended(ScriptState.EXITED, signal=15), Reason.SCRIPT_FAILED, "signal 15"),
        (Ended(ScriptState.LOST), Reason.SCRIPT_LOST, "not known"),
        (Ended(ScriptState.INTERRUPTED), Reason.SCRIPT_INTERRUPTED, "booted again"),
    ],
)
def test_only_an_exit_with_zero_leaves_the_verdict_to_the_nodes(ended: Ended, reason: object, part: str) -> None:
    decided = on_script(ended, 10.0, 60.0)
    assert (decided.reason if decided else None) == reason
    assert decided is None or (decided.outcome is Outcome.FAILED and part in decided.message)


@pytest.mark.parametrize(("count", "message"), [(1, "the node is up"), (3, "all 3 nodes are up")])
def test_every_node_up_completes(count: int, message: str) -> None:
    decided = on_nodes([node(number) for number in range(count)])
    assert (decided.outcome, decided.reason, decided.message) == (Outcome.COMPLETED, None, message)


def test_one_node_that_is_not_up_fails_and_is_named() -> None:
    decided = on_nodes([node(1), node(2, state=NodeState.FAILED, reason=NodeReason.REFUSED)])
    assert (decided.outcome, decided.reason) == (Outcome.FAILED, Reason.NODES_UNREACHABLE)
    assert decided.message == "1 of 2 nodes did not come up: n2 (refused)"


def test_a_node_that_could_not_be_asked_is_not_called_down() -> None:
    decided = on_nodes([node(1), node(2, state=NodeState.WAITING, reason=NodeReason.ERROR, message="no thread")])
    assert (decided.outcome, decided.reason) == (Outcome.FAILED, Reason.NODES_NOT_ASKED)
    assert decided.message == "pinakad could not ask 1 of 2 nodes, which may be up: n2 (error): no thread"


def test_where_others_are_down_those_that_could_not_be_asked_are_named_apart() -> None:
    unasked = node(2, state=NodeState.WAITING, reason=NodeReason.ERROR, message="no thread")
    decided = on_nodes([node(1, state=NodeState.FAILED, reason=NodeReason.REFUSED), unasked])
    assert decided.reason is Reason.NODES_UNREACHABLE
    text = "1 of 2 nodes did not come up: n1 (refused); 1 could not be asked and may be up: n2 (error)"
    assert decided.message == text


def test_of_many_nodes_the_first_are_named() -> None:
    decided = on_nodes([node(number, state=NodeState.FAILED, reason=NodeReason.TIMEOUT) for number in range(9)])
    assert decided.message.endswith("n4 (timeout) and 4 more")


def test_the_operators_wish_is_its_own_outcome() -> None:
    assert (cancelled().outcome, cancelled().reason) == (Outcome.CANCELLED, Reason.CANCELLED)


def test_wrong_input_is_reported_by_its_first_error_and_the_number_of_errors() -> None:
    spot = Spot("node_01.json")
    problems = [spot.warning(Code.MTU_RANGE, "odd"), spot.error(Code.MISSING, "gone"), spot.error(Code.MISSING, "too")]
    assert refused(Reason.INVALID_NODES, problems).message == "node_01.json: gone (and 1 more, see problems)"
    assert refused(Reason.INVALID_NODES, problems[:2]).message == "node_01.json: gone"


def test_a_request_may_name_only_files_that_are_there_and_count() -> None:
    files = [node_file(1, "a"), node_file(2, "a", "192.0.2.9"), node_file(3, "c")]
    asked = ["node_01.json", "node_03.json", "node_04.json"]
    found = request_problems(asked, files, select_nodes(files, frozenset(asked)))
    assert [(item.code, item.path, item.severity) for item in found] == [
        (Code.SUPERSEDED, "/nodes/0", Severity.ERROR),
        (Code.NO_SUCH_FILE, "/nodes/2", Severity.ERROR),
    ]
    assert request_problems(None, files, select_nodes(files)) == []


def codes(problems: list[Problem]) -> list[tuple[str, Code]]:
    assert {problem.severity for problem in problems} <= {Severity.WARNING}
    return [(problem.file, problem.code) for problem in problems]


def test_doubts_about_nodes_that_are_up_are_warnings_where_they_are_only_reported() -> None:
    nodes = [
        node(1),
        node(2, rebooted=False),
        node(3, reported_hostname="installer"),
        node(4, reported_hostname="N4.example.org"),
        node(5, host_key=HostKey.CHANGED),
        node(6, rebooted=None),
    ]
    assert codes(end_warnings(nodes, PollSettings())) == [
        ("node_02.json", Code.NOT_REBOOTED),
        ("node_03.json", Code.WRONG_HOST),
        ("node_05.json", Code.HOST_KEY_CHANGED),
    ]
    assert codes(end_warnings([node(1, boot_id_after="b"), node(2, boot_id_after="b")], PollSettings())) == [
        ("node_02.json", Code.SAME_MACHINE)
    ]
    silent = PollSettings(reboot="ignore", identity="ignore")
    assert codes(end_warnings(nodes, silent)) == [("node_05.json", Code.HOST_KEY_CHANGED)]


def test_a_request_for_thousands_of_files_that_are_not_there_names_the_first_and_counts_the_others() -> None:
    asked = [f"node_{number}.json" for number in range(30_000)]
    problems = request_problems(asked, [], select_nodes([], frozenset(asked)))
    assert len(problems) == MAX_PROBLEMS
    assert problems[0].path == "/nodes/0"
    assert "and 29,901 more" in problems[-1].message
