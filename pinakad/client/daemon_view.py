"""What is going on: by the status file of the running daemon, or, where none runs, by the state folder?"""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from pinakad.client.errors import NoStateError
from pinakad.linux.clock import boot_id
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.locks import is_locked
from pinakad.polling.schedule import Schedule
from pinakad.polling.vocabulary import NodeState
from pinakad.report.document import DaemonPart, Report, ScriptPart, Status
from pinakad.report.node import NodeReport
from pinakad.report.wording import slowest_node, status_line, trouble_of
from pinakad.state.store import Store
from pinakad.times import Instant, wall_s

_MAX_STATUS_BYTES = 1 << 30


@dataclass(frozen=True)
class DaemonView:
    """Whether a daemon runs, what it says about itself, and the running or latest deployment."""

    running: bool
    daemon: DaemonPart | None
    report: Report | None
    notes: list[str] = field(default_factory=list)


def read_daemon_view(state_dir: Path, runtime_dir: Path) -> DaemonView:
    """Read the status file of a running daemon; without one the state folder is the truth. Raises NoStateError."""
    store = Store(state_dir)
    status, notes = read_status(runtime_dir)
    running = is_locked(store.lock_file)
    if status and running:
        return DaemonView(running, status.daemon, status.deployment, notes)
    try:
        report = store.latest()
    except OSError as error:
        raise NoStateError(state_dir, error) from error
    return DaemonView(running, None, report or (status.deployment if status else None), notes)


def read_status(runtime_dir: Path) -> tuple[Status | None, list[str]]:
    """Return the daemon's status file and notes on it; None where there is no file, or none that can be read.

    A note says why the file cannot be read.
    """
    path = runtime_dir / "status.json"
    try:
        return Status.model_validate_json(read_regular(path, _MAX_STATUS_BYTES)), []
    except FileNotFoundError:
        return None, []
    except (OSError, NotRegularError) as error:
        cause = (error.strerror or "").lower() if isinstance(error, OSError) else "it is no regular file"
    except ValidationError:
        cause = "it is not of this version's form"
    return None, [f"cannot read '{path}': {cause}"]


def in_words(report: Report | None, now: Instant) -> str:
    """Return the line that the daemon shows in `systemctl status`, at the time `now`."""
    schedule = schedule_of(report, boot_id(), now) if report else None
    slowest = slowest_node(report.nodes) if report else None
    return status_line(report, slowest, schedule, now.boot_s, now.wall_s)


def schedule_of(report: Report, boot: str, now: Instant) -> Schedule | None:
    """Return the slots of a run, None before its launch. An end that a restart put off is not in the report."""
    launch, poll, script = report.clock.launch, report.policy.poll, report.script
    if launch is None:
        return None
    launched_s = launch.on_clock(boot, now)
    exited_s = launched_s if script is None else _exited_s(script, now)
    return Schedule(launched_s, poll.delay_s, poll.interval_s, poll.attempts, exited_s)


def by_trouble(nodes: list[NodeReport]) -> list[NodeReport]:
    """Return the nodes that are not up, those that are furthest from it first."""
    waiting = [node for node in nodes if node.state is not NodeState.UP]
    return sorted(waiting, key=trouble_of)


def _exited_s(script: ScriptPart, now: Instant) -> float | None:
    ended_s = wall_s(script.finished_at)
    return None if ended_s is None else now.boot_s - (now.wall_s - ended_s)
