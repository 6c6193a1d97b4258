"""Is what the front door shows what the daemon and the state folder say, and are only changed nodes parsed?"""

from pathlib import Path

import pytest
from report_example import finished_report, new_report
from web_folders import DAEMON, Folders, with_nodes

from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.document import Report, Status
from pinakad.report.node import NodeReport
from pinakad.report.pieces import report_pieces, status_pieces, taken_apart
from pinakad.web.live import node_json


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


@pytest.mark.parametrize("number", [0, 1, 2, 99, 100, 101, 350])
def test_a_document_is_taken_apart_into_what_it_was_put_together_of(number: int) -> None:
    report = with_nodes(finished_report(), number)
    for pieces, depth in ((report_pieces(report), 1), (status_pieces(Status(daemon=DAEMON, deployment=report)), 2)):
        head, entries = taken_apart(b"".join(pieces), depth)
        assert [NodeReport.model_validate_json(entry) for entry in entries] == report.nodes
        found = Report.model_validate_json(head) if depth == 1 else Status.model_validate_json(head).deployment
        assert found == report.but(nodes=[])


@pytest.mark.parametrize("text", [b"", b"{}", b'{\n "id": "x"\n}', b'{\n "nodes": [\n {"a": 1}'])
def test_what_is_no_such_document_is_not_taken_apart(text: bytes) -> None:
    with pytest.raises(ValueError, match="nodes"):
        taken_apart(text, 1)


def test_a_daemon_that_runs_is_believed_and_else_the_state_folder(folders: Folders) -> None:
    assert folders.live.read().report is None
    saved, shown = with_nodes(finished_report(), 2), with_nodes(new_report(), 3)
    folders.save(saved)
    assert folders.live.read().report == saved.but(nodes=[])
    folders.publish(shown)
    view = folders.live.read()
    assert (view.running, view.report, view.nodes.nodes) == (False, saved.but(nodes=[]), saved.nodes)
    folders.lock.hold()
    view = folders.live.read()
    assert (view.running, view.daemon, view.nodes.nodes) == (True, DAEMON, shown.nodes)
    assert folders.live.read() is view
    (folders.runtime / "status.json").write_bytes(b"{")
    assert folders.live.read().report == saved.but(nodes=[])


def test_only_what_has_changed_is_parsed_again(folders: Folders) -> None:
    report = with_nodes(finished_report(), 300)
    folders.lock.hold()
    folders.publish(report)
    before = folders.live.read()
    nodes = list(report.nodes)
    nodes[7] = nodes[7].model_copy(update={"state": NodeState.FAILED, "reason": NodeReason.REFUSED})
    folders.publish(report.but(nodes=nodes))
    after = folders.live.read()
    assert after.nodes.changed_since(before.nodes) == [7]
    assert after.overview.reasons == {"refused": 1}


def test_a_nodes_line_is_one_line_with_its_place(folders: Folders) -> None:
    folders.save(with_nodes(finished_report(), 1))
    [entry] = folders.live.read().nodes.entries
    line = node_json(4, entry)
    assert line.startswith(b'{"index":4,"file"')
    assert b"\n" not in line
    assert NodeReport.model_validate_json(line) == folders.live.read().nodes.nodes[0]
