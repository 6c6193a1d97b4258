"""A node's entry in the report: from its file and its polling, and back to the polling after a restart."""

import sys

import pytest
from report_example import finished_report, new_report
from stage import node_file

from pinakad.nodes.selection import Superseded, select_nodes
from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import NodeReason, NodeState, Rung
from pinakad.report.node import CountsPart, NodeReport, counts_of, node_reports, superseded_parts

POLL = NodePoll(
    state=NodeState.WAITING,
    attempts=3,
    rung=Rung.LOGIN,
    last_rung=Rung.BANNER,
    reason=NodeReason.TIMEOUT,
    reasons={NodeReason.TIMEOUT: 2, NodeReason.REFUSED: 1},
    first_attempt_wall_s=1_700_000_000.5,
    last_attempt_wall_s=1_700_000_010.25,
    message="no answer",
)


def first_node() -> NodeReport:
    return finished_report().nodes[0]


def test_an_entry_has_what_the_file_says_and_the_settings_where_the_file_says_nothing() -> None:
    ssh = new_report().policy.ssh
    [node] = node_reports(select_nodes([node_file(7, "n7")]).nodes, ssh)
    assert (node.file, node.number, node.hostname, node.address) == ("node_07.json", 7, "n7", "192.0.2.7")
    assert (node.port, node.user) == (ssh.port, ssh.user)
    assert (node.state, node.attempts, node.reasons) == (NodeState.WAITING, 0, {})


def test_polling_goes_on_where_the_report_left_it() -> None:
    node = first_node().with_poll(POLL)
    assert (node.first_attempt_at, node.up_at) == ("2023-11-14T22:13:20.500Z", None)
    assert node.poll() == POLL
    assert NodeReport.model_validate_json(node.model_dump_json()).poll() == POLL


def test_a_polling_that_is_resumed_shares_no_counts_with_the_report() -> None:
    node = first_node().with_poll(POLL)
    node.poll().reasons[NodeReason.ERROR] = 1
    assert node.reasons == POLL.reasons


def test_polling_changes_nothing_that_the_file_says() -> None:
    before, after = first_node(), first_node().with_poll(POLL)
    for name in ("file", "sha256", "number", "hostname", "address", "address_source", "port", "user", "fingerprints"):
        assert getattr(after, name) == getattr(before, name)


def test_a_change_leaves_the_node_as_it_was() -> None:
    node = first_node()
    changed = node.but(this_host=True, boot_id_before="b")
    assert (changed.this_host, changed.boot_id_before, node.this_host) == (True, "b", False)
    assert changed.baseline == Baseline(node.hostname, "b")


def test_ten_thousand_entries_share_the_set_of_their_fields() -> None:
    one, other = (first_node().with_poll(POLL) for _ in range(2))
    assert one.model_fields_set is other.model_fields_set
    assert sys.getsizeof(one.model_fields_set) > 1000  # what each entry of its own would cost


@pytest.mark.parametrize(
    ("states", "counts"),
    [
        ([], CountsPart()),
        ([NodeState.UP, NodeState.UP, NodeState.FAILED], CountsPart(total=3, up=2, failed=1)),
        (list(NodeState), CountsPart(total=3, up=1, waiting=1, failed=1)),
    ],
)
def test_nodes_are_counted_by_state(states: list[NodeState], counts: CountsPart) -> None:
    assert counts_of(first_node().model_copy(update={"state": state}) for state in states) == counts


def test_a_file_that_does_not_count_names_the_one_that_does() -> None:
    [part] = superseded_parts([Superseded("node_01.json", "n1", "node_02.json")])
    assert (part.file, part.hostname, part.by) == ("node_01.json", "n1", "node_02.json")
