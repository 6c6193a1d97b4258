"""A deployment of thousands of nodes as a daemon shows it, whose state a test changes: for those who only read."""

from pathlib import Path

from front_door import FrontDoor
from report_example import new_report
from web_folders import DAEMON
from world import World

from pinakad.linux.files import write_whole
from pinakad.linux.locks import StateLock
from pinakad.polling.vocabulary import NodeReason, NodeState, Rung
from pinakad.report.document import Report, Status
from pinakad.report.node import NodeReport, counts_of
from pinakad.report.pieces import status_pieces
from pinakad.report.vocabulary import Phase
from pinakad.state.store import Store


class Crowd:
    """A front door that shows so many nodes, all waited for. No daemon runs: its lock is held here."""

    def __init__(self, root: Path, number: int) -> None:
        self.world = World(root)
        store = Store(self.world.state)
        store.prepare()
        self._lock = StateLock(store.lock_file)
        self._lock.hold()
        self.nodes = [_node(place) for place in range(number)]
        self._report = new_report().but(phase=Phase.POLLING, polling_at="2026-11-25T10:00:00.000Z")
        store.folder(self._report.id).mkdir()
        self.door = FrontDoor(self.world)
        self.publish()

    def publish(self) -> Report:
        """Write status.json, as the daemon does."""
        report = self._report.but(nodes=self.nodes, counts=counts_of(self.nodes))
        text = status_pieces(Status(daemon=DAEMON, deployment=report))
        write_whole(self.world.runtime / "status.json", b"".join(text), durable=False)
        return report

    def change(self, *places: int, state: NodeState = NodeState.UP) -> None:
        """Let nodes come up, or fail."""
        for place in places:
            reason = None if state is NodeState.UP else NodeReason.TIMEOUT
            node = self.nodes[place]
            changed = {"state": state, "reason": reason, "attempts": node.attempts + 1, "last_rung": Rung.STABLE}
            self.nodes[place] = node.model_copy(update=changed)

    def ask_all_again(self) -> None:
        """One more attempt at every node that is waited for, with the same result."""
        for place, node in enumerate(self.nodes):
            if node.state is NodeState.WAITING:
                self.nodes[place] = node.model_copy(update={"attempts": node.attempts + 1})

    def close(self) -> None:
        """End it."""
        self.door.close()
        self.world.close()


def _node(place: int) -> NodeReport:
    return NodeReport(
        file=f"node_{place + 1:02d}.json",
        sha256="0" * 64,
        number=place + 1,
        hostname=f"sqdn-{place + 1:05d}",
        address=f"10.{place // 65536}.{place // 256 % 256}.{place % 256}",
        address_source="mgmt",  # type: ignore[arg-type]
        port=22,
        user="pinakasupport",
        attempts=3,
        reason=NodeReason.REFUSED,
        reasons={NodeReason.REFUSED: 3},
        first_attempt_at="2026-11-25T10:00:00.000Z",
        last_attempt_at="2026-11-25T10:00:10.000Z",
        message="cannot connect: connection refused",
    )
