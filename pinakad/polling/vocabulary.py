"""The vocabulary of polling: states, rungs, reasons, and the result of one attempt."""

from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """The state of a node."""

    WAITING = "waiting"
    UP = "up"
    FAILED = "failed"


class Rung(StrEnum):
    """The steps of an attempt, in order; a rung is reached when its step is done."""

    CONNECT = "connect"
    BANNER = "banner"
    HOST_KEY = "host_key"
    LOGIN = "login"
    COMMAND = "command"
    IDENTITY = "identity"
    REBOOT = "reboot"
    READY = "ready"
    STABLE = "stable"


class NodeReason(StrEnum):
    """Why an attempt failed. Any of them may pass while a node boots, but AT_OLD_ADDRESS, which is told at the end."""

    UNRESOLVED = "unresolved"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    NOT_SSH = "not_ssh"
    BANNER_TIMEOUT = "banner_timeout"
    AUTH_FAILED = "auth_failed"
    HOST_KEY_CHANGED = "host_key_changed"
    HOST_KEY_UNKNOWN = "host_key_unknown"
    WRONG_HOST = "wrong_host"
    NOT_REBOOTED = "not_rebooted"
    NOT_READY = "not_ready"
    UNSTABLE = "unstable"
    AT_OLD_ADDRESS = "at_old_address"
    ERROR = "error"


class HostKey(StrEnum):
    """How the node's host key compares with the one that was pinned."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


class RebootEvidence(StrEnum):
    """The evidence by which it is known whether a node has rebooted."""

    BOOT_ID = "boot_id"
    UPTIME = "uptime"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt found. `began_s` is in seconds on the boot clock.

    `rung` is the last one reached, None for none. `reason` is None where the login and the commands succeeded.
    """

    began_s: float
    rung: Rung | None
    reason: NodeReason | None
    message: str = ""
    host_key: HostKey | None = None
    boot_id: str | None = None
    uptime_s: float | None = None
    hostname: str | None = None
    ready: bool | None = None
    """Whether the ready_command succeeded, None where it was not run."""
    not_made: bool = False
    """This machine lacked something to make or to end the attempt; `message` says what. It says nothing of the node."""

    @property
    def stalled(self) -> bool:
        """Whether the attempt ran into a time limit of the node."""
        return self.reason in (NodeReason.TIMEOUT, NodeReason.BANNER_TIMEOUT)
