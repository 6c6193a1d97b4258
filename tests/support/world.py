"""The real daemon in a test: a `World` has its site's folders, its process, and the answers that it gives.

Every report that is read here is held against its model and against what is true of every report.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from daemon_process import DEADLINE_S, DaemonProcess
from documents import checked_report, checked_status

from pinakad.report.document import Report, Status

ANSWERS = {"deployment_completed", "deployment_failed"}


class World(DaemonProcess):
    """One work_dir with its daemon. `start` it, `touch` a request, read the `answer`; `close` ends all of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seen: str | None = None

    def answer(self, deadline_s: float = DEADLINE_S) -> Report:
        """Wait for the next answer: one of another deployment than the last that was returned here."""
        report = self.wait(self._new_answer, "an answer", deadline_s)
        self._seen = report.id
        return report

    def serve(self, deadline_s: float = DEADLINE_S) -> Report:
        """Touch a request; return the answer once the request is gone."""
        self.touch()
        report = self.answer(deadline_s)
        self.wait_idle()
        return report

    def wait_idle(self) -> None:
        """Wait until no request is there and nothing is left to do for any deployment."""
        self.wait(lambda: not self.requested() and not self._unanswered(), "the request gone and answered")

    def deployments(self) -> list[str]:
        """Return the ids of all deployments, oldest first."""
        folder = self.state / "deployments"
        names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
        return sorted(name for name in names if not name.startswith("."))  # one that is being removed is none

    def folder(self, identifier: str | None = None) -> Path:
        """Return a deployment's folder, by default the latest one's."""
        return self.state / "deployments" / (identifier or self.deployments()[-1])

    def report(self, identifier: str | None = None) -> Report:
        """Return a deployment's report, by default the latest one's, as it is written down now."""
        return checked_report((self.folder(identifier) / "report.json").read_bytes())

    def status(self) -> Status:
        """Return status.json."""
        return checked_status((self.runtime / "status.json").read_bytes())

    def wait_for_node(self, number: int, is_so: Callable[[Any], object]) -> None:
        """Wait until `is_so` holds for the node `address(number)` as status.json shows it."""

        def shows() -> bool:
            deployment = self.status().deployment
            nodes = deployment.nodes if deployment else []
            return any(node.address == self.address(number) and is_so(node) for node in nodes)

        self.wait(shows, f"such a state of node {number}")

    def _new_answer(self) -> Report | None:
        found = ANSWERS & set(os.listdir(self.markers))  # noqa: PTH208 - the folder is listed once, not twice
        assert len(found) < 2, "both answers at once"
        if not found:
            return None
        try:
            report = checked_report((self.markers / found.pop()).read_bytes(), answer=True)
        except FileNotFoundError:  # a new run has just removed it
            return None
        return report if report.id != self._seen else None

    def _unanswered(self) -> list[str]:
        return [name for name in self.deployments() if not (self.folder(name) / "answered").exists()]
