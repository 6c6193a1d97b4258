"""One node in the document: what its file says, and what its polling has found so far."""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, TypedDict, Unpack

from pydantic import BaseModel, ConfigDict

from pinakad.config import SshSettings
from pinakad.nodes.addresses import AddressSource
from pinakad.nodes.selection import Node, Superseded
from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import HostKey, NodeReason, NodeState, RebootEvidence, Rung
from pinakad.times import Timestamp, timestamp, wall_s


class Part(BaseModel):
    """A part of the document. Readers accept fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class CountsPart(Part):
    """Nodes by state."""

    total: int = 0
    up: int = 0
    waiting: int = 0
    failed: int = 0


class NodeChange(TypedDict, total=False):
    """What a run changes of a node, besides the state of its polling."""

    this_host: bool
    boot_id_before: str | None
    host_key: HostKey | None
    reported_hostname: str | None


class NodeReport(Part):
    """One node: what its file says, and what its polling has found so far."""

    file: str
    sha256: str
    number: int
    hostname: str
    address: str
    address_source: AddressSource
    port: int
    user: str
    fingerprints: tuple[str, ...] = ()
    current: str | None = None
    this_host: bool = False
    state: NodeState = NodeState.WAITING
    attempts: int = 0
    rung: Rung | None = None
    last_rung: Rung | None = None
    reason: NodeReason | None = None
    reasons: dict[NodeReason, int] = {}
    first_attempt_at: Timestamp | None = None
    last_attempt_at: Timestamp | None = None
    up_at: Timestamp | None = None
    host_key: HostKey | None = None
    boot_id_before: str | None = None
    boot_id_after: str | None = None
    rebooted: bool | None = None
    reboot_evidence: RebootEvidence | None = None
    reported_hostname: str | None = None
    stable_count: int = 0
    message: str = ""

    def with_poll(self, poll: NodePoll) -> "NodeReport":
        """Return the node with the state of its polling."""
        changed = dict(zip(_POLL_FIELDS, _read_poll(poll), strict=True))
        for name in _TIMES:
            changed[name] = timestamp(changed[name])
        return self._copy(changed)

    def but(self, **changed: Unpack["NodeChange"]) -> "NodeReport":
        """Return the node with other values."""
        return self._copy(changed)

    def _copy(self, changed: Mapping[str, object]) -> "NodeReport":
        node = self.model_copy(update=changed)
        object.__setattr__(node, "__pydantic_fields_set__", _EVERY_FIELD)  # one of its own would take 2 KB
        return node

    def has(self, poll: NodePoll) -> bool:
        """Return whether that is the state of its polling, as far as the document shows it."""
        now = self.attempts, self.state, self.reason, self.message
        return now == (poll.attempts, poll.state, poll.reason, poll.message)

    def poll(self) -> NodePoll:
        """Return the polling to resume from. What was seen before the interruption confirms no node."""
        kept: dict[str, Any] = {field: getattr(self, name) for name, field in _POLL_FIELDS.items()}
        kept["reasons"] = dict(self.reasons)
        return NodePoll(**kept | {_POLL_FIELDS[name]: wall_s(getattr(self, name)) for name in _TIMES})

    @property
    def baseline(self) -> Baseline:
        """What the node's answers are compared with."""
        return Baseline(self.hostname, self.boot_id_before)


_POLL_FIELDS = {
    "state": "state",
    "attempts": "attempts",
    "rung": "rung",
    "last_rung": "last_rung",
    "reason": "reason",
    "reasons": "reasons",
    "first_attempt_at": "first_attempt_wall_s",
    "last_attempt_at": "last_attempt_wall_s",
    "up_at": "up_wall_s",
    "host_key": "host_key",
    "boot_id_after": "boot_id",
    "rebooted": "rebooted",
    "reboot_evidence": "reboot_evidence",
    "reported_hostname": "hostname",
    "stable_count": "stable_count",
    "message": "message",
}
"""The names of a node's polling: in the document, and in NodePoll."""
_TIMES = ("first_attempt_at", "last_attempt_at", "up_at")  # RFC 3339 here, seconds since 1970 there
_read_poll = attrgetter(*_POLL_FIELDS.values())
_EVERY_FIELD = set(NodeReport.model_fields)


class SupersededPart(Part):
    """A node file that does not count, because a later one has the same host name."""

    file: str
    hostname: str
    by: str


def node_reports(nodes: Iterable[Node], ssh: SshSettings) -> list[NodeReport]:
    """Return the report's entries of the nodes, not polled yet."""
    return [_node_report(node, ssh) for node in nodes]


def _node_report(node: Node, ssh: SshSettings) -> NodeReport:
    report = NodeReport(
        file=node.file,
        sha256=node.sha256,
        number=node.number,
        hostname=node.hostname,
        address=node.address,
        address_source=node.address_source,
        port=node.port or ssh.port,
        user=node.user or ssh.user,
        fingerprints=node.fingerprints,
        current=node.current,
    )
    return report.but()  # which shares what thousands of entries have in common


def superseded_parts(entries: Iterable[Superseded]) -> list[SupersededPart]:
    """Return the report's entries of the files that do not count."""
    return [SupersededPart(file=entry.file, hostname=entry.hostname, by=entry.by) for entry in entries]


def counts_of(nodes: Iterable[NodeReport | NodePoll]) -> CountsPart:
    """Count the nodes by state."""
    counts = dict.fromkeys(NodeState, 0)
    for node in nodes:
        counts[node.state] += 1
    return CountsPart(total=sum(counts.values()), **{state.value: count for state, count in counts.items()})
