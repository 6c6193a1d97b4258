"""Are the pieces the same text as the whole document, whatever is in it?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_example import finished_report

from pinakad.report.document import DaemonPart, Report, Status
from pinakad.report.node import NodeReport
from pinakad.report.pieces import NODES_A_PIECE, report_pieces, status_pieces

DAEMON = DaemonPart(pid=1, version="1", started_at="2026-11-23T21:24:55.000Z", watch="events", queued=False)
ODD = ['"nodes": []', '\n "nodes": []', "[", "]", "}\n", "\u2028\x00\ud800", "\\"]


def node(number: int, message: str) -> NodeReport:
    return finished_report().nodes[0].model_copy(update={"number": number, "message": message})


def held(report: Report) -> None:
    assert b"".join(report_pieces(report)) == report.json_text()
    status = Status(daemon=DAEMON, deployment=report)
    assert b"".join(status_pieces(status)) == status.json_text()


@pytest.mark.parametrize("number", [0, 1, 2, NODES_A_PIECE - 1, NODES_A_PIECE, NODES_A_PIECE + 1, 1000])
def test_any_number_of_nodes_has_the_same_text(number: int) -> None:
    held(finished_report().but(nodes=[node(each, "") for each in range(number)]))


@pytest.mark.parametrize("asked", [None, [], ["node_01.json"]])
def test_the_nodes_of_the_request_are_not_those_of_the_deployment(asked: Any) -> None:
    report = finished_report()
    held(report.model_copy(update={"request": report.request.model_copy(update={"nodes": asked})}))
    held(report.but(nodes=[]).model_copy(update={"request": report.request.model_copy(update={"nodes": asked})}))


@given(
    st.lists(st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"])), max_size=5), st.text(max_size=5)
)
def test_whatever_nodes_say_is_theirs(messages: list[str], message: str) -> None:
    messages = [text.encode("utf-8", "replace").decode() for text in messages]
    nodes = [node(number, text) for number, text in enumerate(messages)]
    held(finished_report().but(nodes=nodes, message=message.encode("utf-8", "replace").decode()))


def test_a_daemon_without_a_deployment_has_its_text() -> None:
    status = Status(daemon=DAEMON, deployment=None)
    assert b"".join(status_pieces(status)) == status.json_text()
