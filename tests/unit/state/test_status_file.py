"""status.json is written at once where something changed that readers see, else when it is due."""

import asyncio
import json
from pathlib import Path

import pytest
from report_example import finished_report, new_report

from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.document import Report, Status
from pinakad.report.node import counts_of
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
        self.store.save(report)
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


def polls_of(report: Report, attempts: int) -> list[NodePoll]:
    """Return polls of the report's nodes, with so many attempts."""
    refused = {NodeReason.REFUSED: attempts}
    return [NodePoll(attempts=attempts, reason=NodeReason.REFUSED, reasons=refused) for _ in report.nodes]


def many(site: Site) -> Report:
    """Begin a deployment of 250 nodes, which takes three pieces."""
    report = site.begin()
    nodes = [finished_report().nodes[0].model_copy(update={"number": number}) for number in range(250)]
    report = report.but(phase=Phase.POLLING, nodes=nodes, counts=counts_of(nodes))
    site.store.save(report)
    site.file.publish(report)
    return report


def test_a_new_phase_is_written_at_once_and_what_else_is_new_when_it_is_due(site: Site) -> None:
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
    site.file.publish(report.model_copy(update={"phase": Phase.POLLING}))
    assert (site.changes, site.message()) == (2, "")


async def test_progress_is_in_both_files_as_one_moment_and_as_the_whole_document_would_be(site: Site) -> None:
    report, counted = many(site), {"waiting": 250, "total": 250, "up": 0, "failed": 0}
    polls = polls_of(report, 3)
    await site.file.publish_progress(report, polls)
    nodes = [node.with_poll(poll) for node, poll in zip(report.nodes, polls, strict=True)]
    expected = report.but(nodes=nodes, counts=counts_of(nodes))
    assert expected.counts.model_dump() == counted
    assert (site.store.folder(report.id) / "report.json").read_bytes() == expected.json_text()
    status = site.status()
    assert status.deployment == expected
    assert (site.runtime / "status.json").read_bytes() == status.json_text()
    assert (site.file.overview.states, site.file.overview.slowest) == ({NodeState.WAITING: 250}, nodes[0])
    assert leftovers(site) == []


def leftovers(site: Site) -> list[str]:
    return [path.name for path in (*site.runtime.rglob(".*"), *site.store.root.rglob(".report*"))]


async def test_the_loop_goes_on_while_progress_is_written(site: Site) -> None:
    report, turns = many(site), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        counter = group.create_task(count())
        await site.file.publish_progress(report, polls_of(report, 3))
        counter.cancel()
    assert turns >= 3


async def test_a_phase_that_is_published_meanwhile_is_not_replaced_by_the_progress_before_it(site: Site) -> None:
    report = many(site)
    finished = report.but(phase=Phase.FINISHING, message="the end")
    async with asyncio.TaskGroup() as group:
        group.create_task(site.file.publish_progress(report, polls_of(report, 3)))
        await asyncio.sleep(0)
        site.store.save(finished)
        site.file.publish(finished)
    assert site.message() == "the end"
    assert site.store.load(report.id) == finished
    assert leftovers(site) == []


async def test_a_report_that_is_saved_meanwhile_is_not_replaced_by_older_progress(site: Site) -> None:
    """A phase is durable before readers see it."""
    report = many(site)
    later = report.but(message="later")
    async with asyncio.TaskGroup() as group:
        group.create_task(site.file.publish_progress(report, polls_of(report, 3)))
        await asyncio.sleep(0)
        site.store.save(later)
    assert site.store.load(report.id).message == "later"


async def test_progress_that_is_cancelled_leaves_nothing(site: Site) -> None:
    report = many(site)
    before = (site.runtime / "status.json").read_bytes()
    async with asyncio.TaskGroup() as group:
        writer = group.create_task(site.file.publish_progress(report, polls_of(report, 3)))
        await asyncio.sleep(0)
        writer.cancel()
    assert (site.runtime / "status.json").read_bytes() == before
    assert leftovers(site) == []


async def test_while_nodes_are_polled_a_change_of_the_daemon_comes_with_the_next_progress(site: Site) -> None:
    """Only who polls knows how the nodes are now: an older state of theirs must not come back."""
    report = many(site)
    await site.file.publish_progress(report, polls_of(report, 3))
    site.file.queued = True
    site.file.publish(None)
    assert not site.status().daemon.queued
    assert site.file.is_due
    await site.file.publish_progress(report, polls_of(report, 4))
    assert site.status().daemon.queued
    deployment = site.status().deployment
    assert deployment is not None
    assert {node.attempts for node in deployment.nodes} == {4}


async def test_a_disk_that_fails_costs_one_file_and_not_the_other(site: Site, tmp_path: Path) -> None:
    report = many(site)
    site.runtime.rename(tmp_path / "away")
    await site.file.publish_progress(report, polls_of(report, 3))
    assert "status.json': no such file or directory" in site.troubles.text
    assert site.store.load(report.id).nodes[0].attempts == 3
    (tmp_path / "away").rename(site.runtime)
    await site.file.publish_progress(report, polls_of(report, 4))
    assert site.troubles.text == ""


def test_a_change_of_the_daemon_is_written_at_once(site: Site) -> None:
    site.file.publish(None)
    site.file.events_trusted, site.file.queued = False, True
    site.file.publish(None)
    assert (site.status().daemon.watch, site.status().daemon.queued) == ("rescans", True)


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
