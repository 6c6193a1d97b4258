"""The words of a report: phases, outcomes, reasons, and why something cannot be done."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The phases of a deployment, in their order."""

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
    """Why a deployment did not complete.

    Where several reasons hold, preflight.py chooses before the launch, and verdict.py after it.
    """

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
    NODES_NOT_ASKED = "nodes_not_asked"
    STATE_UNREADABLE = "state_unreadable"
    INTERNAL_ERROR = "internal_error"


class ScriptState(StrEnum):
    """The state of the deployment script's run."""

    LAUNCHING = "launching"
    RUNNING = "running"
    EXITED = "exited"
    LOST = "lost"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something cannot be done: the reason that a deployment then fails for, and a sentence for a person."""

    reason: Reason
    message: str
