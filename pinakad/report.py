"""What happened: the one document of a deployment, as it is written and read.

The same object is the answer, `report.json`, `deployment` in status.json and what `pinakactl --json` prints; after a
crash the daemon resumes from it. Readers accept fields that they do not know. Times are RFC 3339 in UTC.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator
from pydantic.fields import FieldInfo

from pinakad.addresses import AddressSource
from pinakad.config import Config, ScriptSettings, SshSettings
from pinakad.nodes import Node, Superseded
from pinakad.polling import (
    HostKey,
    NodePoll,
    NodeReason,
    NodeState,
    PollSettings,
    RebootEvidence,
    Rung,
    Subject,
)
from pinakad.problems import Problem

MAX_REQUEST_ID = 200


def _a_moment(text: str) -> str:
    datetime.fromisoformat(text)  # its form alone would let the 31st of June through
    return text


_RFC_3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Timestamp = Annotated[str, StringConstraints(pattern=_RFC_3339), AfterValidator(_a_moment)]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}T[0-9]{6}Z\.[0-9]{4,}$")]


class Phase(StrEnum):
    """Where a deployment stands; in this order."""

    VALIDATING = "validating"
    LAUNCHING = "launching"
    WAITING = "waiting"
    POLLING = "polling"
    FINISHING = "finishing"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a deployment ended."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Reason(StrEnum):
    """Why a deployment did not complete; where several hold at once, the first in this order is told."""

    INVALID_REQUEST = "invalid_request"
    NODES_UNREADABLE = "nodes_unreadable"
    NO_NODES = "no_nodes"
    INVALID_NODES = "invalid_nodes"
    SCRIPT_NOT_FOUND = "script_not_found"
    SCRIPT_NOT_RUNNABLE = "script_not_runnable"
    SCRIPT_ALREADY_RUNNING = "script_already_running"
    SSH_KEY = "ssh_key"
    CANCELLED = "cancelled"
    LAUNCH_FAILED = "launch_failed"
    SCRIPT_FAILED = "script_failed"
    SCRIPT_TIMEOUT = "script_timeout"
    SCRIPT_LOST = "script_lost"
    SCRIPT_INTERRUPTED = "script_interrupted"
    NODES_UNREACHABLE = "nodes_unreachable"
    STATE_UNREADABLE = "state_unreadable"
    INTERNAL_ERROR = "internal_error"


class ScriptState(StrEnum):
    """Where the script stands."""

    LAUNCHING = "launching"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"
    INTERRUPTED = "interrupted"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class RequestDocument(BaseModel):
    """What a request may say: the node files that it is limited to, and a text of the requester's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nodes: list[Annotated[str, StringConstraints(pattern=r"^node_[0-9]+\.json$")]] | None = Field(None, min_length=1)
    request_id: str | None = Field(None, max_length=MAX_REQUEST_ID)

    @model_validator(mode="after")
    def _says_something(self) -> "RequestDocument":
        if self.nodes is None and self.request_id is None:
            raise ValueError('must say "nodes", a list of node files, or be an empty file, which means all of them')
        return self


class RequestPart(_Part):
    """The request that is served: its identity, and what it asks for. `nodes` null means every node file."""

    id: str | None
    inode: int
    mtime_ns: int
    size: int
    sha256: str
    nodes: list[str] | None


def _known(field: FieldInfo | None, table: Any) -> Any:
    """Return the keys of a table that its model knows."""
    if field is None or field.annotation is None or not isinstance(table, dict):
        return table
    return {key: value for key, value in table.items() if key in field.annotation.model_fields}


class Policy(_Part):
    """The settings that this run keeps, whatever is configured meanwhile."""

    script: ScriptSettings
    ssh: SshSettings
    poll: PollSettings

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, policy: Any) -> Any:
        """A configuration refuses unknown keys; the settings that another version has kept do not."""
        if not isinstance(policy, dict):
            return policy
        return {name: _known(cls.model_fields.get(name), table) for name, table in policy.items()}


class ClockPart(_Part):
    """What is needed to go on with the deadlines. `*_boot_s` count on the boot clock of the boot `boot_id`."""

    boot_id: str
    taken_boot_s: float
    launched_boot_s: float | None = None
    launched_at: Timestamp | None = None


class ScriptPart(_Part):
    """The deployment script's run."""

    path: str
    sha256: str
    runner: Literal["subprocess", "systemd"]
    pid: int | None = None
    state: ScriptState = ScriptState.LAUNCHING
    exit_code: int | None = None
    signal: int | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    log: str | None = None


class CountsPart(_Part):
    """Nodes by state."""

    total: int = 0
    up: int = 0
    waiting: int = 0
    failed: int = 0


class NodePart(_Part):
    """One node: what its file says, and how its polling stands."""

    file: str
    sha256: str
    number: int
    hostname: str
    address: str
    address_source: AddressSource
    port: int
    user: str
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

    def with_poll(self, poll: NodePoll) -> "NodePart":
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

    def but(self, **changed: Any) -> "NodePart":
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
    def subject(self) -> Subject:
        """What the node's answers are held against."""
        return Subject(self.hostname, self.boot_id_before)


_EVERY_FIELD = set(NodePart.model_fields)


class SupersededPart(_Part):
    """A node file that does not count, because a later one has the same host name."""

    file: str
    hostname: str
    by: str


class Report(_Part):
    """The document."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    id: Id
    host: str
    version: str
    request: RequestPart
    phase: Phase = Phase.VALIDATING
    outcome: Outcome | None = None
    reason: Reason | None = None
    message: str = ""
    requested_at: Timestamp
    started_at: Timestamp
    polling_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    policy: Policy
    clock: ClockPart
    script: ScriptPart | None = None
    counts: CountsPart = CountsPart()
    nodes: list[NodePart] = []
    superseded: list[SupersededPart] = []
    problems: list[Problem] = []

    def json_text(self) -> bytes:
        """Return the document as it is stored: UTF-8 JSON with a newline at its end."""
        return as_json(_REPORT, self)

    @property
    def is_finished(self) -> bool:
        """Tell whether the verdict was given."""
        return self.phase is Phase.FINISHED


_REPORT = TypeAdapter(Report)


class DaemonPart(_Part):
    """The daemon that wrote a status."""

    pid: int
    version: str
    started_at: Timestamp
    watch: Literal["events", "rescans"]
    queued: bool


class Status(_Part):
    """status.json: the daemon, and the running or latest deployment."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    daemon: DaemonPart
    deployment: Report | None

    def json_text(self) -> bytes:
        """Return the document as it is stored."""
        return as_json(_STATUS, self)


_STATUS = TypeAdapter(Status)


def as_json(kind: TypeAdapter[Any], document: BaseModel) -> bytes:
    """Return bytes: `model_dump_json` would make a text first, and with ten thousand nodes that is 8 MB more."""
    return kind.dump_json(document, by_alias=True, indent=1, ensure_ascii=True) + b"\n"


def policy_of(config: Config) -> Policy:
    """Return the settings that a run which starts now keeps. The key's path is resolved: it depends on `[paths]`."""
    return Policy(script=config.script, ssh=config.ssh.model_copy(update={"key": config.key_path}), poll=config.poll)


def node_parts(nodes: Iterable[Node], ssh: SshSettings) -> list[NodePart]:
    """Return the report's entries of the nodes, not polled yet."""
    return [
        NodePart(
            file=node.file,
            sha256=node.sha256,
            number=node.number,
            hostname=node.hostname,
            address=node.address,
            address_source=node.address_source,
            port=node.port or ssh.port,
            user=node.user or ssh.user,
        )
        for node in nodes
    ]


def superseded_parts(entries: Iterable[Superseded]) -> list[SupersededPart]:
    """Return the report's entries of the files that do not count."""
    return [SupersededPart(file=entry.file, hostname=entry.hostname, by=entry.by) for entry in entries]


def counts_of(nodes: Iterable[NodePart]) -> CountsPart:
    """Count the nodes by state."""
    counts = dict.fromkeys(NodeState, 0)
    for node in nodes:
        counts[node.state] += 1
    return CountsPart(total=sum(counts.values()), **{state.value: count for state, count in counts.items()})


def timestamp(seconds: float | None) -> str | None:
    """Return seconds since 1970 as RFC 3339 in UTC with milliseconds, None for None."""
    return None if seconds is None else rfc3339(seconds)


def rfc3339(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def wall_s(text: str | None) -> float | None:
    """Return a timestamp's seconds since 1970, None for None."""
    return None if text is None else datetime.fromisoformat(text).timestamp()
