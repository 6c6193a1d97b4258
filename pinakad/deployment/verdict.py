"""Which verdict follows from what happened, and in which words?"""

from collections.abc import Sequence
from dataclasses import dataclass

from pinakad.events import Event
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.nodes.selection import NodeSet
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import HostKey, NodeState
from pinakad.problems import Code, Problem, Severity, Spot, capped
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended

_MAX_NAMES = 5
_LOST = "the script's supervisor ended without a word; how the script ended is not known"
_INTERRUPTED = "this host was booted again while the script ran, and it is not one of the nodes"


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, its reason (None for completed), and a sentence for a person."""

    outcome: Outcome
    reason: Reason | None
    message: str

    @property
    def event(self) -> Event:
        """The kind of event that the verdict is in the journal."""
        return {
            Outcome.COMPLETED: Event.COMPLETED,
            Outcome.FAILED: Event.FAILED,
            Outcome.CANCELLED: Event.CANCELLED,
        }[self.outcome]


def failed(why: Refusal) -> Verdict:
    """Return the verdict that the deployment failed, with the reason and the message of `why`."""
    return Verdict(Outcome.FAILED, why.reason, why.message)


def cancelled() -> Verdict:
    """Return the verdict that the operator cancelled the deployment."""
    return Verdict(Outcome.CANCELLED, Reason.CANCELLED, "the deployment was cancelled by deployment_cancel")


def refused(reason: Reason, problems: Sequence[Problem]) -> Verdict:
    """Return the verdict that the input is wrong: the first error of `problems`, which has one, and how many more."""
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    more = f" (and {len(errors) - 1} more, see problems)" if len(errors) > 1 else ""
    return failed(Refusal(reason, errors[0].line() + more))


def on_script(ended: Ended, took_s: float, limit_s: float) -> Verdict | None:
    """Return the verdict that follows from the script's end; None where the nodes decide.

    `took_s`: how long the script ran, `limit_s`: how long it may run. The exit status of an adopted script is not
    known, and decides nothing.
    """
    how = f"was ended by signal {ended.signal}" if ended.code is None else f"ended with status {ended.code}"
    cases = (
        (ended.state is ScriptState.LOST, Reason.SCRIPT_LOST, _LOST),
        (ended.state is ScriptState.INTERRUPTED, Reason.SCRIPT_INTERRUPTED, _INTERRUPTED),
        (ended.not_run, Reason.SCRIPT_NOT_RUNNABLE, f"the script was not run: {ended.not_run}"),
        (took_s > limit_s, Reason.SCRIPT_TIMEOUT, f"the script ran for {took_s:.0f} s, longer than {limit_s:g} s"),
        (not ended.adopted and ended.code != 0, Reason.SCRIPT_FAILED, f"the script {how}"),
    )
    return next((failed(Refusal(reason, text)) for holds, reason, text in cases if holds), None)


def on_nodes(nodes: Sequence[NodeReport]) -> Verdict:
    """Return the verdict that follows from the nodes' final states. A node that still waits could not be asked."""
    down = [node for node in nodes if node.state is NodeState.FAILED]
    unasked = [node for node in nodes if node.state is NodeState.WAITING]
    if not down and not unasked:
        how_many = "the node is" if len(nodes) == 1 else f"all {len(nodes)} nodes are"
        return Verdict(Outcome.COMPLETED, None, f"{how_many} up")
    if not down:
        text = f"pinakad could not ask {len(unasked)} of {len(nodes)} nodes, which may be up: {_names(unasked)}"
        return failed(Refusal(Reason.NODES_NOT_ASKED, f"{text}: {unasked[0].message}"))
    more = f"; {len(unasked)} could not be asked and may be up: {_names(unasked)}" if unasked else ""
    text = f"{len(down)} of {len(nodes)} nodes did not come up: {_names(down)}{more}"
    return failed(Refusal(Reason.NODES_UNREACHABLE, text))


def _names(nodes: Sequence[NodeReport]) -> str:
    names = ", ".join(f"{node.hostname} ({node.reason})" for node in nodes[:_MAX_NAMES])
    return names + (f" and {len(nodes) - _MAX_NAMES} more" if len(nodes) > _MAX_NAMES else "")


def request_problems(asked: list[str] | None, files: list[ParsedNodeFile], found: NodeSet) -> list[Problem]:
    """Return an error for each file of the request (`asked`) that is missing or superseded, MAX_PROBLEMS at most."""
    spot, names = Spot("deployment_in_progress"), {file.name for file in files}
    winners = {entry.file: entry.by for entry in found.superseded}
    problems = []
    for index, name in enumerate(asked or []):
        place = spot.at("nodes", index)
        if name not in names:
            problems.append(place.error(Code.NO_SUCH_FILE, "there is no such node file", name))
        elif name in winners:
            problems.append(place.error(Code.SUPERSEDED, f"the file is superseded by {winners[name]}", name))
    return capped(problems, spot.at("nodes"))


def end_warnings(nodes: Sequence[NodeReport], poll: PollSettings) -> list[Problem]:
    """Return warnings about nodes that count as up although their boot, their name or their host key is in doubt."""
    problems = []
    for node in nodes:
        spot = Spot(node.file)
        if poll.reboot == "report" and node.rebooted is False:
            text = f"{node.hostname} has not rebooted since the launch"
            problems.append(spot.warning(Code.NOT_REBOOTED, text))
        if (
            poll.identity == "report"
            and node.reported_hostname
            and not node.baseline.names_itself(node.reported_hostname)
        ):
            text = f"the machine at {node.address} names itself otherwise than {node.hostname}"
            problems.append(spot.at("hostname").warning(Code.WRONG_HOST, text, node.reported_hostname))
        if node.host_key is HostKey.CHANGED:
            text = f"{node.hostname} has another host key than before; the new one is remembered"
            problems.append(spot.warning(Code.HOST_KEY_CHANGED, text))
    return problems + (_same_machines(nodes) if poll.identity != "ignore" else [])


def _same_machines(nodes: Sequence[NodeReport]) -> list[Problem]:
    """Return a warning for each node whose boot another node has, too: a boot id is one kernel's alone (random(4))."""
    problems, first = [], dict[str, NodeReport]()
    for node in nodes:
        other = first.setdefault(node.boot_id_after or node.file, node)
        if other is not node and node.state == "up":
            text = (
                f"{node.hostname} at {node.address} has the same boot id as {other.hostname} at {other.address}: both "
                "addresses lead to one machine (or to two containers of one), and the other may be down"
            )
            problems.append(Spot(node.file).warning(Code.SAME_MACHINE, text, node.boot_id_after))
    return problems
