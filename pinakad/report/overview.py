"""The nodes of a report at a glance: how many are in which state, why they are not up, and which is the slowest."""

from collections import Counter
from collections.abc import Iterable

from pinakad.polling.vocabulary import NodeState
from pinakad.report.node import CountsPart, NodeReport
from pinakad.report.wording import trouble_of

NOT_ASKED = "not_asked"


class Overview:
    """What is told of all nodes together. It grows by `add`, so that thousands of nodes need not be seen in one step.

    `reasons`: of the nodes that are not up, by their reason; NOT_ASKED for none.
    """

    def __init__(self, nodes: Iterable[NodeReport] = ()) -> None:
        self.states: Counter[NodeState] = Counter()
        self.reasons: Counter[str] = Counter()
        self.slowest: NodeReport | None = None
        self.add(nodes)

    def add(self, nodes: Iterable[NodeReport]) -> None:
        """Count some more nodes."""
        for node in nodes:
            self.states[node.state] += 1
            if node.state is not NodeState.UP:
                self.reasons[str(node.reason or NOT_ASKED)] += 1
                if self.slowest is None or trouble_of(node) < trouble_of(self.slowest):
                    self.slowest = node

    @property
    def counts(self) -> CountsPart:
        """The nodes by state, as the report has them."""
        numbers = {state.value: self.states[state] for state in NodeState}
        return CountsPart(total=sum(numbers.values()), **numbers)
