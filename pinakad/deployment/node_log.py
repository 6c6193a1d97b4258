"""Which changes of a node are worth a line in the log? Not every attempt: only what is new."""

import logging
from typing import Any

from pinakad.events import Event, fields
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import HostKey, NodeState
from pinakad.report.document import Report
from pinakad.report.node import NodeReport

log = logging.getLogger(__name__)


def log_change(report: Report, node: NodeReport, before: NodePoll, after: NodePoll) -> None:
    """Log what is new about a node after an attempt: its host key, that it is up, why it is not."""
    if after.host_key is HostKey.CHANGED and before.host_key is not HostKey.CHANGED:
        text = "%s has another host key than before; the new one is remembered"
        log.warning(text, node.hostname, extra=_fields(Event.HOST_KEY, report, node, after))
    if after.state is NodeState.UP and before.state is not NodeState.UP:
        log.info("%s is up", node.hostname, extra=_fields(Event.NODE_UP, report, node, after))
    elif after.lack and not before.lack:
        extra = _fields(Event.NODE_WAITING, report, node, after)
        log.warning("%s cannot be asked now: %s; it is tried again", node.hostname, after.lack, extra=extra)
    elif not after.lack and after.reason is not None and after.reason != before.reason:
        text = "%s is not up yet: %s (%s)"
        extra = _fields(Event.NODE_WAITING, report, node, after)
        log.info(text, node.hostname, after.message, after.reason, extra=extra)


def log_failed(report: Report) -> None:
    """Log every node that polling has given up."""
    for node in report.nodes:
        if node.state is NodeState.FAILED:
            extra = _fields(Event.NODE_FAILED, report, node, node.poll())
            log.error("%s did not come up: %s (%s)", node.hostname, node.message, node.reason, extra=extra)


def _fields(event: Event, report: Report, node: NodeReport, poll: NodePoll) -> dict[str, Any]:
    return fields(
        event,
        deployment_id=report.id,
        phase=report.phase,
        node=node.hostname,
        address=node.address,
        attempt=poll.attempts,
        reason=poll.reason,
        rung=poll.last_rung,
    )
