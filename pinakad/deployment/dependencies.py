"""What a deployment needs from others: the script, the nodes, a place to write, a clock."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from pinakad.nodes.reading import ParsedNodeFile
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import AttemptResult
from pinakad.problems import Problem
from pinakad.report.document import Report, ScriptPart
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Refusal
from pinakad.script.outcome import Ended, Started
from pinakad.times import Instant


class Script(Protocol):
    """The deployment script of one run."""

    def launch_prepared(self) -> AbstractContextManager[None]:
        """Prepare a launch that may never come, and discard at the end what it has not used; one that came lives on."""

    def problem(self) -> Refusal | None:
        """Return why the script cannot be launched, None where it can."""

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        """Make the script ready to be launched; return the report's entry, and warnings."""

    async def watch_for_foreign_run(self) -> None:
        """Wait until somebody else starts the script, and adopt that run: then launch() starts no other."""

    async def launch(self) -> Started | Refusal | None:
        """Launch the script unless it was launched or adopted before; return the run, or why the script did not start.

        None: pinakad does not launch the script, and nobody else has started it yet.
        """

    async def appears(self, until_s: float) -> Started | None:
        """Wait for somebody else to start the script, until `until_s` (boot clock) at most; None where nobody did."""

    async def ended(self) -> Ended:
        """Wait until the script has ended; return how."""

    def has_ended(self) -> Ended | None:
        """Return how the script has ended by now, None while it runs."""

    async def end(self) -> Ended | None:
        """End the script with everything that it started; None where the script never began."""


class Save(Protocol):
    """Makes a report durable."""

    async def __call__(self, report: Report, *, must: bool) -> None:
        """Write the report. `must`: return only when it is durable, however long the disk is full.

        Otherwise a write that fails is noted, and not repeated. No OSError is raised.
        """


@dataclass(frozen=True)
class Dependencies:
    """All that a deployment needs from others, as plain callables."""

    boot_id: str
    host: str
    now: Callable[[], Instant]
    save: Save
    publish: Callable[[Report], None]
    """Show a report to readers, without waiting."""
    publish_due: Callable[[], bool]
    """Whether progress would be written now: a large report is put together only then."""
    publish_progress: Callable[[Report, Sequence[NodePoll]], Awaitable[None]]
    """Show a report with the present polls of its nodes, without holding the loop."""
    read_nodes: Callable[[], Awaitable[list[ParsedNodeFile] | Refusal]]
    """The node files once their writers are done, or why the folder cannot be read."""
    snapshot: Callable[[Mapping[str, bytes]], Awaitable[None]]
    script: Script | None
    key_problem: Callable[[], Awaitable[Refusal | None]]
    """Why nobody can log in with the key, None where it can be used."""
    baselines: Callable[[Sequence[NodeReport]], Awaitable[list[AttemptResult]]]
    """Who are the nodes, before anything is done to them?"""
    attempt: Callable[[NodeReport, bool, Callable[[AttemptResult], bool]], Awaitable[AttemptResult]]
    """Make one attempt at a node; the flag says whether the attempt before it stalled. The function says, of what the
    machine has told of itself, whether the ready_command may be run there."""
    at_old_addresses: Callable[[Sequence[NodeReport]], Awaitable[list[AttemptResult]]]
    """Make one attempt at each node's old address, all at the same time; the results have the order of the nodes."""
    ignored_names: Callable[[], list[str]] = list
    """What lies beside the node files and may be meant as one, as of the last reading."""
    loose_permissions: Callable[[], list[Problem]] = list
    """Warnings about who else could change the script or read the key."""
