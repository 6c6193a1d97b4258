"""One node in the document: what its file says, and how its polling stands."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from pinakad.config import SshSettings
from pinakad.nodes.addresses import AddressSource
from pinakad.nodes.selection import Node, Superseded
from pinakad.polling.node_poll import Baseline, NodePoll
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


class NodeReport(Part):
    """One node: what its file says, and how its polling stands."""

    file: str
    sha256: str
    number: int
    hostname: str
    address: str
    address_source: AddressSource
    port: int
    user: str
    fingerprints: tuple[str, ...] = ()
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
        """Return the node with how its polling stands now."""
        return self.but(
            state=poll.state,
            attempts=poll.attempts,
            rung=poll.rung,
            last_rung=poll.last_rung,
            reason=poll.reason,
            reasons=poll.reasons,
            first_attempt_at=timestamp(poll.first_attempt_wall_s),
            last_attempt_at=timestamp(poll.last_attempt_wall_s),
            up_at=timestamp(poll.up_wall_s),
            host_key=poll.host_key,
            boot_id_after=poll.boot_id,
            rebooted=poll.rebooted,
            reboot_evidence=poll.reboot_evidence,
            reported_hostname=poll.hostname,
            stable_count=poll.stable_count,
            message=poll.message,
        )

    def but(self, **changed: Any) -> "NodeReport":
        """Return the node with other values."""
        node = self.model_copy(update=changed)
        object.__setattr__(node, "__pydantic_fields_set__", _EVERY_FIELD)  # one of its own would take 2 KB
        return node

    def poll(self) -> NodePoll:
        """Return the polling to go on with. Nobody is confirmed by what was seen before the interruption."""
        return NodePoll(
            state=self.state,
            attempts=self.attempts,
            rung=self.rung,
            last_rung=self.last_rung,
            reason=self.reason,
            reasons=dict(self.reasons),
            message=self.message,
            first_attempt_wall_s=wall_s(self.first_attempt_at),
            last_attempt_wall_s=wall_s(self.last_attempt_at),
            up_wall_s=wall_s(self.up_at),
            host_key=self.host_key,
            boot_id=self.boot_id_after,
            rebooted=self.rebooted,
            reboot_evidence=self.reboot_evidence,
            hostname=self.reported_hostname,
            stable_count=self.stable_count,
        )

    @property
    def baseline(self) -> Baseline:
        """What the node's answers are held against."""
        return Baseline(self.hostname, self.boot_id_before)


_EVERY_FIELD = set(NodeReport.model_fields)


class SupersededPart(Part):
    """A node file that does not count, because a later one has the same host name."""

    file: str
    hostname: str
    by: str


def node_reports(nodes: Iterable[Node], ssh: SshSettings) -> list[NodeReport]:
    """Return the report's entries of the nodes, not polled yet."""
    return [
        NodeReport(
            file=node.file,
            sha256=node.sha256,
            number=node.number,
            hostname=node.hostname,
            address=node.address,
            address_source=node.address_source,
            port=node.port or ssh.port,
            user=node.user or ssh.user,
            fingerprints=node.fingerprints,
        )
        for node in nodes
    ]


def superseded_parts(entries: Iterable[Superseded]) -> list[SupersededPart]:
    """Return the report's entries of the files that do not count."""
    return [SupersededPart(file=entry.file, hostname=entry.hostname, by=entry.by) for entry in entries]


def counts_of(nodes: Iterable[NodeReport]) -> CountsPart:
    """Count the nodes by state."""
    counts = dict.fromkeys(NodeState, 0)
    for node in nodes:
        counts[node.state] += 1
    return CountsPart(total=sum(counts.values()), **{state.value: count for state, count in counts.items()})
