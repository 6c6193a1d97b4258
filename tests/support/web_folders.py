"""A state folder and a runtime folder as a daemon has them, for the parts of the front door that only read."""

from pathlib import Path

from report_example import finished_report

from pinakad.config import Config, PathSettings
from pinakad.linux.locks import StateLock
from pinakad.report.document import DaemonPart, Report, Status
from pinakad.report.pieces import status_pieces
from pinakad.state.store import Store
from pinakad.web.live import Live

DAEMON = DaemonPart(pid=1, version="1", started_at="2026-11-25T10:00:00.000Z", watch="events", queued=False)


def with_nodes(report: Report, number: int) -> Report:
    """Return the report with so many nodes, whose host names are hostile."""
    one = report.nodes[0] if report.nodes else finished_report().nodes[0]
    nodes = [
        one.model_copy(update={"hostname": f'n-{index}"}},\n ', "file": f"node_{index:02d}.json"})
        for index in range(number)
    ]
    return report.but(nodes=nodes)


class Folders:
    """A state folder and a runtime folder that a test writes as the daemon does."""

    def __init__(self, root: Path) -> None:
        for name in ("state", "run", "markers", "nodes"):
            (root / name).mkdir()
        self.runtime = root / "run"
        self.store = Store(root / "state")
        self.store.prepare()
        self.lock = StateLock(self.store.lock_file)
        paths = PathSettings(markers=root / "markers", nodes=root / "nodes")
        self.live = Live(Config(paths=paths), self.store, self.runtime)

    def publish(self, report: Report | None) -> None:
        """Write status.json."""
        text = b"".join(status_pieces(Status(daemon=DAEMON, deployment=report)))
        (self.runtime / "status.json").write_bytes(text)

    def save(self, report: Report) -> None:
        """Write a report into the state folder."""
        self.store.folder(report.id).mkdir(exist_ok=True, parents=True)
        self.store.save(report)
