"""Which change of a node is logged, at which level, and under which event? Each kind once, and nothing twice."""

import logging

import pytest
from report_example import finished_report

from pinakad.deployment.node_log import log_change, log_failed
from pinakad.events import Event
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import HostKey, NodeReason, NodeState

NOTHING = NodePoll()
UP = NodePoll(state=NodeState.UP)
REFUSED = NodePoll(reason=NodeReason.REFUSED, message="connection refused")
TIMEOUT = NodePoll(reason=NodeReason.TIMEOUT, message="no answer")
LACK = NodePoll(reason=NodeReason.ERROR, lack="no thread")
CHANGED = NodePoll(host_key=HostKey.CHANGED)


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        (NOTHING, NOTHING, []),
        (NOTHING, UP, [(logging.INFO, Event.NODE_UP, "%s is up")]),
        (UP, UP, []),
        (NOTHING, REFUSED, [(logging.INFO, Event.NODE_WAITING, "%s is not up yet: connection refused (refused)")]),
        (REFUSED, REFUSED, []),
        (REFUSED, TIMEOUT, [(logging.INFO, Event.NODE_WAITING, "%s is not up yet: no answer (timeout)")]),
        (
            REFUSED,
            LACK,
            [(logging.WARNING, Event.NODE_WAITING, "%s cannot be asked now: no thread; it is tried again")],
        ),
        (LACK, LACK, []),
        (
            NOTHING,
            CHANGED,
            [(logging.WARNING, Event.HOST_KEY, "%s has another host key than before; the new one is remembered")],
        ),
        (CHANGED, CHANGED, []),
    ],
)
def test_only_what_is_new_is_logged(
    before: NodePoll, after: NodePoll, lines: list[tuple[int, Event, str]], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    report = finished_report()
    node = report.nodes[0]
    log_change(report, node, before, after)
    found = [(entry.levelno, vars(entry)["event"], entry.getMessage()) for entry in caplog.records]
    assert found == [(level, event, text % node.hostname) for level, event, text in lines]


def test_each_node_that_polling_has_given_up_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    report = finished_report()
    first, second = report.nodes
    down = NodePoll(state=NodeState.FAILED, reason=NodeReason.REFUSED, message="connection refused")
    log_failed(report.but(nodes=[first.with_poll(down), second]))
    [entry] = caplog.records
    assert entry.levelno == logging.ERROR
    assert entry.getMessage() == f"{first.hostname} did not come up: connection refused (refused)"
