"""The nodes of a report at a glance: how many are in which state, why they are not up, and which is the slowest."""

from collections import Counter
from collections.abc import Sequence

from pinakad.polling.vocabulary import NodeState
from pinakad.report.node import NodeReport
from pinakad.report.wording import slowest_node

NOT_ASKED = "not_asked"


class Overview:
    """What is told of all nodes together. It grows by `add`, so that thousands of nodes need not be seen in one step.

    `reasons`: of the nodes that are not up, by their reason; NOT_ASKED for none.
    """

    def __init__(self, nodes: Sequence[NodeReport] = ()) -> None:
        self.states: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.slowest: NodeReport | None = None
        self.add(nodes)

    def add(self, nodes: Sequence[NodeReport]) -> None:
        """Count some more nodes."""
        for node in nodes:
            self.states[node.state] += 1
            if node.state is not NodeState.UP:
                self.reasons[str(node.reason or NOT_ASKED)] += 1
        self.slowest = slowest_node([*filter(None, [self.slowest]), *nodes])
