"""Does a node that was given up answer where it was before? Then it went back to its old network, or never left it."""

from collections.abc import Awaitable, Callable, Sequence

from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import AttemptResult, NodeState
from pinakad.report.node import NodeReport

Ask = Callable[[Sequence[NodeReport]], Awaitable[list[AttemptResult]]]
"""Makes one attempt at each node's old address, all at the same time; the results have the order of the nodes."""


async def seen_at_old_addresses(polls: Sequence[NodePoll], nodes: Sequence[NodeReport], ask: Ask) -> list[NodePoll]:
    """Ask once, before the verdict; return the polls, with what was found of the nodes that were given up."""
    found = list(polls)
    gone = [index for index, poll in enumerate(polls) if poll.state is NodeState.FAILED and _has_another(nodes[index])]
    results = await ask([nodes[index] for index in gone]) if gone else []
    for index, result in zip(gone, results, strict=True):
        if result.reason is None:
            found[index] = found[index].found_at(str(nodes[index].current))
    return found


def _has_another(node: NodeReport) -> bool:
    return node.current not in (None, node.address)
