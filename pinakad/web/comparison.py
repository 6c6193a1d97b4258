"""What differs in two deployments: which nodes, files and script changed, and which nodes failed again?"""

from typing import Any

from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import Report
from pinakad.report.node import NodeReport


def compared(this: Report, other: Report) -> dict[str, Any]:
    """Return what differs: nodes are the same machine where they have the same host name, case ignored."""
    ours, theirs = _by_name(this), _by_name(other)
    rows = [_row(ours.get(name), theirs.get(name)) for name in dict.fromkeys([*ours, *theirs])]
    again = [node.hostname for name, node in ours.items() if _has_failed(node) and _has_failed(theirs.get(name))]
    return {"id": this.id, "other": other.id, "script": _script(this, other), "nodes": rows, "failed_again": again}


def _script(this: Report, other: Report) -> dict[str, Any]:
    one, two = (report.script.sha256 if report.script else None for report in (this, other))
    return {"changed": one != two, "sha256": one, "other_sha256": two}


def _by_name(report: Report) -> dict[str, NodeReport]:
    return {node.hostname.lower(): node for node in report.nodes}


def _has_failed(node: NodeReport | None) -> bool:
    return node is not None and node.state is not NodeState.UP


def _row(this: NodeReport | None, other: NodeReport | None) -> dict[str, Any]:
    one = this or other
    assert one is not None  # noqa: S101 - a name comes from one of them
    where = "both" if this and other else ("only_this" if this else "only_other")
    return {
        "hostname": one.hostname,
        "in": where,
        "file_changed": bool(this and other and this.sha256 != other.sha256),
        "address": this and this.address,
        "other_address": other and other.address,
        "state": this and this.state,
        "other_state": other and other.state,
        "reason": this and this.reason,
        "other_reason": other and other.reason,
    }
