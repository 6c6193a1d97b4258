"""What does a deployment need from outside: the script, the nodes, a place to write, a clock?"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pinakad.nodes.selection import ReadFile
from pinakad.polling.node_poll import Now, Probe
from pinakad.problems import Problem
from pinakad.report.document import Reason, Report, ScriptPart, ScriptState
from pinakad.report.node import NodePart


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that outlives this process: seconds on the boot clock of one boot, and seconds since 1970."""

    boot_id: str
    boot_s: float
    wall_s: float

    def on_clock(self, boot_id: str, now: Now) -> float:
        """Return the moment on the boot clock of the boot `boot_id`; over a reboot only the wall clock tells."""
        if self.boot_id == boot_id:
            return self.boot_s
        return now.boot_s - max(0.0, now.wall_s - self.wall_s)


@dataclass(frozen=True, slots=True)
class Started:
    """A script that was started: its supervisor, its process, and when.

    `adopted`: somebody else started it, so that it has no supervisor; its end can be seen, its exit status cannot.
    """

    supervisor_pid: int
    script_pid: int
    script_start_ticks: int | None
    at: Moment
    supervisor_start_ticks: int | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the script was not launched."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended. Where `state` is `exited`, `at` tells when, and one of `code` and `signal` is set.

    Neither is set where it was `adopted`, and its status is nobody's to know but its parent's.
    """

    state: ScriptState
    code: int | None = None
    signal: int | None = None
    at: Moment | None = None
    dropped_bytes: int = 0
    adopted: bool = False
    not_run: str = ""
    """Why its process never became the script; "" where it did."""
    warnings: tuple[Problem, ...] = ()


class Script(Protocol):
    """The deployment script of one run."""

    def stand_by(self) -> None:
        """Get ready for a launch that may never come, without doing anything that counts."""

    def stand_down(self) -> None:
        """No launch will come any more; one that came is not touched."""

    def problem(self) -> tuple[Reason, str] | None:
        """Return why it cannot be launched, None where it can."""

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        """Make it ready to be launched; return the report's entry, and warnings."""

    async def watch_for_foreign_run(self) -> None:
        """Wait until somebody else starts the script, and adopt that run: then none is launched."""

    async def launch(self) -> Started | Refusal | None:
        """Launch it unless that was done, or one was adopted; return what is known of it, or why it did not start.

        None: it is not ours to launch, and nobody else has started it yet.
        """

    async def appears(self, until_s: float) -> Started | None:
        """Wait until somebody else starts the script, at most until `until_s` on the boot clock."""

    async def ended(self) -> Ended:
        """Wait until it has ended."""

    def has_ended(self) -> Ended | None:
        """Return how it has ended by now, None while it runs."""

    async def end(self) -> Ended | None:
        """End it with everything that it started; None where it never began."""


class Save(Protocol):
    """Makes a report durable."""

    async def __call__(self, report: Report, *, must: bool) -> None:
        """Write it down. `must`: return only when that is done, however long the disk is full."""


@dataclass(frozen=True)
class Outside:
    """All that a deployment needs from outside, as plain callables."""

    boot_id: str
    host: str
    now: Callable[[], Now]
    save: Save
    tell: Callable[[Report], None]
    """Take note of how it stands, without waiting."""
    tell_due: Callable[[], bool]
    """Is it time to tell of progress? To put a large report together only to drop it would be a waste."""
    read_nodes: Callable[[], Awaitable[list[ReadFile] | str]]
    """The node files once their writers are done, or why the folder cannot be read."""
    snapshot: Callable[[Mapping[str, bytes]], Awaitable[None]]
    script: Script | None
    key_problem: Callable[[], str | None]
    ask_all: Callable[[Sequence[NodePart]], Awaitable[list[Probe]]]
    """Who are the nodes, before anything is done to them?"""
    ask: Callable[[NodePart, bool], Awaitable[Probe]]
    """One attempt at a node, which stalled last time or not."""
    ignored_names: Callable[[], list[str]] = list
    """What lies beside the node files and may be meant as one, as of the last reading."""
    loose_permissions: Callable[[], list[Problem]] = list
    """What is to be told about who else could change the script or read the key."""
