"""The words of polling: rungs, reasons, states, and the result of one attempt."""

from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """Where a node stands."""

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
    STABLE = "stable"


class NodeReason(StrEnum):
    """Why an attempt failed. Any of them may pass while a node boots."""

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
    ERROR = "error"


class HostKey(StrEnum):
    """How the node's host key compares with the one that was pinned."""

    NEW = "new"
    SAME = "same"
    CHANGED = "changed"


class RebootEvidence(StrEnum):
    """What told whether a node has rebooted."""

    BOOT_ID = "boot_id"
    UPTIME = "uptime"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt found. Times are seconds on the boot clock; `reason` None: logged in, and the commands ran."""

    began_s: float
    rung: Rung | None
    reason: NodeReason | None
    message: str = ""
    host_key: HostKey | None = None
    boot_id: str | None = None
    uptime_s: float | None = None
    hostname: str | None = None
    not_made: bool = False
    """It could not be made, or not be ended, for want of something of ours; `message` says of what."""

    @property
    def stalled(self) -> bool:
        """Tell whether the node let the attempt run into a time limit."""
        return self.reason in (NodeReason.TIMEOUT, NodeReason.BANNER_TIMEOUT)
