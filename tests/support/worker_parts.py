"""The parts of a request worker on a real state folder and a real marker folder, each to be tested alone."""

import asyncio
from pathlib import Path

from pinakad.config import Config, PathSettings
from pinakad.daemon.intake import Intake
from pinakad.daemon.release import Release
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.state.retry import WriteRetry
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import Moment

HERE = Moment("boot", 1000.0, 1_780_000_000.0)


class WorkerParts:
    """Everything of one daemon's life; `again()` is the next daemon's, on the same folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "markers"
        self.request = self.folder / REQUEST
        for folder in (root / "state", self.folder):
            folder.mkdir(exist_ok=True)
        self.troubles = Troubles()
        self.store = Store(root / "state")
        self.store.prepare()
        self.markers = Markers(self.folder, self.troubles)
        self.config = Config(paths=PathSettings(markers=self.folder), history={"keep": 2})
        self.write_retry = WriteRetry(lambda: asyncio.sleep(0.1), self.troubles)
        self.intake = Intake(self.store, self.markers, lambda: self.config, lambda: HERE)
        self.release = Release(self.store, self.markers, self.write_retry, self.troubles, lambda: 2)

    def again(self) -> "WorkerParts":
        """Return the parts of the next daemon."""
        return WorkerParts(self.root)

    def take(self) -> Report:
        """Take the request that is there; the first report of its deployment."""
        request = self.markers.read()
        assert request is not None
        report = self.intake.take(request, 0)
        assert report is not None
        return report

    def finish(self, report: Report) -> Report:
        """Write the report of a run that failed; it is not answered yet."""
        done = {"phase": Phase.FINISHED, "outcome": Outcome.FAILED, "finished_at": report.started_at}
        finished = report.model_copy(update=done)
        self.store.save(finished)
        return finished

    def names(self) -> set[str]:
        """Return what is in the marker folder."""
        return {entry.name for entry in self.folder.iterdir()}
