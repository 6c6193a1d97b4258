"""What happened: the one document of a deployment, as it is written and read.

The same object is the answer, `report.json`, `deployment` in status.json and what `pinakactl --json` prints; after a
crash the daemon resumes from it. Readers accept fields that they do not know. Times are RFC 3339 in UTC.
"""

from hashlib import sha256
from typing import Any, Literal, TypedDict, Unpack

from pydantic import BaseModel, Field, TypeAdapter, model_validator
from pydantic.fields import FieldInfo

from pinakad.config import Config, ScriptSettings, SshSettings, readable_key
from pinakad.polling.settings import PollSettings
from pinakad.problems import Problem
from pinakad.report.node import CountsPart, NodeReport, Part, SupersededPart
from pinakad.report.request import Id, RequestPart
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState
from pinakad.times import Moment, Timestamp, wall_s

_DIGEST = "sha256:"


def _known(field: FieldInfo | None, table: Any) -> Any:
    """Return the keys of a table that its model knows."""
    if field is None or field.annotation is None or not isinstance(table, dict):
        return table
    return {key: value for key, value in table.items() if key in field.annotation.model_fields}


class Policy(Part):
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


class ClockChange(TypedDict, total=False):
    """What a run changes of its clock."""

    boot_id: str
    launched_boot_s: float | None
    launched_at: Timestamp | None
    late_resumes: int


class ClockPart(Part):
    """What is needed to go on with the deadlines. `*_boot_s` count on the boot clock of the boot `boot_id`."""

    boot_id: str
    taken_boot_s: float
    launched_boot_s: float | None = None
    launched_at: Timestamp | None = None
    late_resumes: int = 0
    """How often a daemon resumed the run after polling was spent."""

    @property
    def launch(self) -> Moment | None:
        """The moment of the launch, None before it."""
        if self.launched_boot_s is None:
            return None
        return Moment(self.boot_id, self.launched_boot_s, wall_s(self.launched_at) or 0.0)

    def but(self, **changed: Unpack[ClockChange]) -> "ClockPart":
        """Return the clock with other values."""
        return self.model_copy(update=changed)


class ScriptChange(TypedDict, total=False):
    """What a run changes of its script's entry."""

    adopted: bool
    pid: int | None
    start_ticks: int | None
    supervisor_pid: int | None
    supervisor_start_ticks: int | None
    state: ScriptState
    exit_code: int | None
    signal: int | None
    started_at: Timestamp | None
    finished_at: Timestamp | None


class ScriptPart(Part):
    """The deployment script's run.

    `adopted`: somebody else started it; its end was waited for, and its exit status is not known. The
    start ticks distinguish a process from a later one with the same pid.
    """

    path: str
    sha256: str
    work_dir: str | None = None
    runner: Literal["subprocess", "systemd"]
    adopted: bool = False
    pid: int | None = None
    start_ticks: int | None = None
    supervisor_pid: int | None = None
    supervisor_start_ticks: int | None = None
    state: ScriptState = ScriptState.LAUNCHING
    exit_code: int | None = None
    signal: int | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    log: str | None = None

    def but(self, **changed: Unpack[ScriptChange]) -> "ScriptPart":
        """Return the entry with other values."""
        return self.model_copy(update=changed)


class ReportChange(TypedDict, total=False):
    """What a run changes of its report; the rest is so from the beginning."""

    phase: Phase
    outcome: Outcome | None
    reason: Reason | None
    message: str
    polling_at: Timestamp | None
    finished_at: Timestamp | None
    clock: ClockPart
    script: ScriptPart | None
    counts: CountsPart
    nodes: list[NodeReport]
    superseded: list[SupersededPart]
    problems: list[Problem]


class Report(Part):
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
    nodes: list[NodeReport] = Field(default_factory=list)
    superseded: list[SupersededPart] = Field(default_factory=list)
    problems: list[Problem] = Field(default_factory=list)

    def but(self, **changed: Unpack[ReportChange]) -> "Report":
        """Return the report with other values. Only deployment/transitions.py decides which change is right when."""
        return self.model_copy(update=changed)

    def json_text(self) -> bytes:
        """Return the document as it is stored: UTF-8 JSON with a newline at its end."""
        return as_json(_REPORT, self)

    @property
    def is_finished(self) -> bool:
        """Return whether the verdict was given."""
        return self.phase is Phase.FINISHED


_REPORT = TypeAdapter(Report)


class DaemonPart(Part):
    """The daemon that wrote a status."""

    pid: int
    version: str
    started_at: Timestamp
    watch: Literal["events", "rescans"]
    queued: bool


class Status(Part):
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
    """Return the settings that a run which starts now keeps, with the place that the key is read from.

    Everybody may read a report, and a command may carry a secret: of `ready_command` only the digest is in it.
    """
    poll = config.poll.model_copy(update={"ready_command": digest_of(config.poll.ready_command)})
    return Policy(script=config.script, ssh=config.ssh.model_copy(update={"key": readable_key(config)}), poll=poll)


def digest_of(command: str) -> str:
    """Return what a report says in place of a command: `sha256:` and 64 hexadecimal digits; nothing for none."""
    return f"{_DIGEST}{sha256(command.encode()).hexdigest()}" if command else ""


def is_digest(text: str) -> bool:
    """Return whether `text` is what digest_of returns; a report of an earlier version has the command itself."""
    digits = text.removeprefix(_DIGEST)
    return digits != text and len(digits) == sha256().digest_size * 2
