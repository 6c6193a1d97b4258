"""The form of each answer of the interface: the OpenAPI document is made of these."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pinakad.nodes.addresses import AddressSource
from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.problems import Problem
from pinakad.report.document import DaemonPart, Report
from pinakad.report.node import CountsPart, NodeReport
from pinakad.report.request import Id
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.times import Timestamp

NodeKey = int | str
"""A node's place in a body: the position in a list, from 0, or the key in an object."""


class Document(BaseModel):
    """An answer. Readers accept fields that they do not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class WaitingPart(Document):
    """A request that waits to be served. `nodes`: how many files it names, null for all."""

    requested_at: Timestamp
    request_id: str | None
    nodes: int | None


class SchedulePart(Document):
    """When nodes are polled. `ends_at` is null while the script runs."""

    begins_at: Timestamp
    ends_at: Timestamp | None
    attempt: int
    attempts: int
    interval_s: float


class DeploymentDocument(Report):
    """A report without its nodes, with what is counted over them."""

    nodes: list[NodeReport] = Field(default_factory=list, max_length=0)
    reasons: dict[str, int]
    schedule: SchedulePart | None
    cancel_asked: bool
    log_size: int | None


class StatusDocument(Document):
    """What is going on."""

    schema_: Literal[1] = Field(alias="schema")
    as_of: Timestamp
    running: bool
    line: str
    daemon: DaemonPart | None
    waiting: WaitingPart | None
    deployment: DeploymentDocument | None


class RemedyPart(Document):
    """Why it is so, and what to do."""

    why: str
    do: str


class ReasonsDocument(Document):
    """Every reason of a node and of a deployment."""

    nodes: dict[NodeReason, RemedyPart]
    deployments: dict[Reason, RemedyPart]


class HistoryPart(Document):
    """A deployment in the history; `unreadable` says why nothing else is known of it."""

    id: Id
    unreadable: str | None = None
    host: str | None = None
    phase: Phase | None = None
    outcome: Outcome | None = None
    reason: Reason | None = None
    message: str = ""
    requested_at: Timestamp | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    counts: CountsPart | None = None


class HistoryDocument(Document):
    """Deployments, the newest first. `next` is what `before` must be for those that follow."""

    deployments: list[HistoryPart]
    next: Id | None


class IndexedNode(NodeReport):
    """A node of a report, with its place there. With `brief`, what is null is left out."""

    index: int


class NodesDocument(Document):
    """Nodes of a deployment. `next` is what `after` must be for those that follow."""

    deployment: Id
    total: int
    matching: int
    next: int | None
    nodes: list[IndexedNode]


class ScriptComparison(Document):
    """Whether two deployments ran the same script."""

    changed: bool
    sha256: str | None
    other_sha256: str | None


class NodeComparison(Document):
    """One machine in two deployments."""

    hostname: str
    in_: Literal["both", "only_this", "only_other"] = Field(alias="in")
    file_changed: bool
    address: str | None
    other_address: str | None
    state: NodeState | None
    other_state: NodeState | None
    reason: NodeReason | None
    other_reason: NodeReason | None


class ComparisonDocument(Document):
    """What differs in two deployments."""

    id: Id
    other: Id
    script: ScriptComparison
    nodes: list[NodeComparison]
    failed_again: list[str]


class FoundProblem(Problem):
    """A problem and the node of the body that it is about, null where it is about none."""

    node: NodeKey | None


class PlannedNode(Document):
    """What a node of the body becomes, or would become."""

    node: NodeKey
    file: str
    hostname: str
    address: str
    address_source: AddressSource
    supersedes: list[str]


class ValidationDocument(Document):
    """What is wrong with the nodes of a body, and what they would become."""

    ok: bool
    problems: list[FoundProblem]
    plan: list[PlannedNode] | None


class AskedDocument(Document):
    """A request that was made. `files` null: all files that lie there. `joined`: it was joined to one that waited."""

    request_id: str
    files: list[str] | None
    joined: bool
    plan: list[PlannedNode]
    left_out: list[str]


class CancellingDocument(Document):
    """A deployment that is asked to end."""

    deployment: Id
    cancelling: Literal[True]


class NodeFilePart(Document):
    """A node file as it lies there."""

    file: str
    hostname: str | None
    address: str | None
    address_source: AddressSource | None
    roles: list[str]
    disk: list[str]
    counts: bool
    superseded_by: str | None
    problems: list[FoundProblem]
    modified_at: Timestamp | None


class NodeFilesDocument(Document):
    """All node files, in order. `problems` are about none of them alone."""

    folder: str
    nodes: list[NodeFilePart]
    problems: list[FoundProblem]


class RetiredDocument(Document):
    """Files that were moved aside, and how many are left."""

    retired: list[str]
    left: int


class SessionDocument(Document):
    """How the caller got in, and until when."""

    via: Literal["unix", "cookie", "bearer"]
    expires_at: Timestamp | None
    version: str
    host: str


class TokenDocument(Document):
    """The token."""

    token: str


class ProblemDocument(Document):
    """Why a call was refused (RFC 9457). `error` is for programs, `message` for people."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str
    title: str
    status: int
    detail: str
    error: str
    message: str
    problems: list[FoundProblem] | None = None
