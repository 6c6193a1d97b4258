"""status.json is written at once where something changed that readers see, else when it is due."""

import json
from pathlib import Path

import pytest
from report_example import new_report

from pinakad.report.document import Report, Status
from pinakad.report.vocabulary import Phase
from pinakad.state.status_file import EVERY_S, StatusFile
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles


class Site:
    """A status file with a clock that is set by hand."""

    def __init__(self, root: Path) -> None:
        self.now_s = 100.0
        self.changes = 0
        self.troubles = Troubles()
        self.runtime = root / "run"
        for folder in (root / "state", self.runtime):
            folder.mkdir()
        self.store = Store(root / "state")
        self.store.prepare()
        self.file = StatusFile(self.runtime, self.store, lambda: self.now_s, self._changed, self.troubles)

    def _changed(self) -> None:
        self.changes += 1

    def begin(self) -> Report:
        report = new_report().model_copy(update={"id": self.store.begin()})
        self.store.save(report, durable=True)
        return report

    def status(self) -> Status:
        return Status.model_validate_json((self.runtime / "status.json").read_bytes())

    def message(self) -> str:
        deployment = self.status().deployment
        assert deployment is not None
        return deployment.message


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def but(report: Report, message: str) -> Report:
    return report.model_copy(update={"message": message})


def test_without_any_deployment_it_is_about_the_daemon(site: Site) -> None:
    site.file.publish(None)
    assert site.status().deployment is None
    assert site.status().daemon.watch == "events"


def test_a_new_phase_is_written_at_once_and_progress_when_it_is_due(site: Site) -> None:
    report = site.begin()
    site.file.publish(report)
    assert site.changes == 1
    site.file.publish(but(report, "one"))
    assert site.message() == ""
    assert not site.file.is_due
    site.now_s += EVERY_S
    assert site.file.is_due
    site.file.publish(but(report, "two"))
    assert site.message() == "two"
    assert site.store.load(report.id).message == "two"
    site.file.publish(report.model_copy(update={"phase": Phase.POLLING}))
    assert (site.changes, site.message()) == (2, "")


def test_a_change_of_the_daemon_is_written_at_once(site: Site) -> None:
    site.file.publish(None)
    site.file.events_trusted, site.file.queued = False, True
    site.file.publish(None)
    assert (site.status().daemon.watch, site.status().daemon.queued) == ("rescans", True)


def test_the_report_is_written_as_progress_only_where_that_is_wanted(site: Site) -> None:
    report = site.begin()
    site.file.publish(report)
    site.now_s += EVERY_S
    site.file.publish(but(report, "one"), progress=False)
    assert (site.message(), site.store.load(report.id).message) == ("one", "")


def test_what_did_not_change_is_not_written_again(site: Site) -> None:
    report = site.begin()
    site.file.publish(report)
    (site.runtime / "status.json").unlink()
    site.now_s += 10 * EVERY_S
    site.file.publish(None)
    assert not (site.runtime / "status.json").exists()


def test_a_file_that_could_not_be_written_is_tried_again_although_nothing_changed(site: Site, tmp_path: Path) -> None:
    site.runtime.rename(tmp_path / "away")
    site.file.publish(None)
    assert "status.json': no such file or directory" in site.troubles.text
    (tmp_path / "away").rename(site.runtime)
    site.file.publish(None)
    assert site.troubles.text
    site.now_s += EVERY_S
    site.file.publish(None)
    assert site.troubles.text == ""
    assert json.loads((site.runtime / "status.json").read_bytes())["deployment"] is None
