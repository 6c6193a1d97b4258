"""After a restart, what is written down decides what becomes of each request."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from worker_parts import WorkerParts

from pinakad.daemon.recovery import Recovery
from pinakad.markers.names import FAILED, REQUEST
from pinakad.report.document import Report
from pinakad.report.vocabulary import Reason

pytestmark = pytest.mark.looptime(start=1000)


@pytest.fixture
def parts(tmp_path: Path) -> WorkerParts:
    parts = WorkerParts(tmp_path)
    parts.request.write_text('{"request_id": "served"}')
    return parts


async def restart(before: WorkerParts, running: Mapping[str, float] | None = None) -> tuple[WorkerParts, list[str]]:
    """Pick up what is left; return the new daemon's parts, and the ids of the deployments that went on."""
    parts, resumed = before.again(), []

    async def resume(report: Report) -> None:
        resumed.append(report.id)
        await asyncio.sleep(0)

    recovery = Recovery(
        parts.store, parts.markers, parts.intake, parts.release, parts.write_retry, lambda: running or {}, resume
    )
    async with asyncio.TaskGroup() as group:
        parts.release.use(group)
        await recovery.pick_up(lambda: None)
    return parts, resumed


def spoil(parts: WorkerParts, identifier: str) -> None:
    for name in ("report.json", "report.durable.json"):
        (parts.store.folder(identifier) / name).write_text("x")


async def test_where_nothing_was_begun_nothing_is_done(parts: WorkerParts) -> None:
    after, resumed = await restart(parts)
    assert (after.names(), resumed, after.store.ids()) == ({REQUEST}, [], [])


async def test_an_unfinished_deployment_goes_on(parts: WorkerParts) -> None:
    report = parts.take()
    after, resumed = await restart(parts)
    assert resumed == [report.id]
    assert after.release.serving is not None
    assert after.names() == {REQUEST}


async def test_one_that_was_not_remembered_yet_is_remembered(parts: WorkerParts) -> None:
    report = parts.take()
    parts.store.served.forget(report.id)
    after, resumed = await restart(parts)
    assert resumed == [report.id]
    assert after.store.served.serving(report.request) is not None


async def test_a_finished_deployment_is_answered(parts: WorkerParts) -> None:
    report = parts.finish(parts.take())
    after, resumed = await restart(parts)
    assert resumed == []
    assert after.names() == {FAILED}
    assert after.markers.answers.answered_id() == report.id
    assert after.store.is_answered(report.id)


async def test_a_finished_deployment_does_not_replace_the_answer_of_a_later_one(parts: WorkerParts) -> None:
    first = parts.finish(parts.take())
    parts.request.write_text('{"request_id": "second"}')
    second = parts.finish(parts.take())
    parts.markers.answers.put(second)
    parts.store.mark_answered(second.id)
    after, _ = await restart(parts)
    assert after.markers.answers.answered_id() == second.id
    assert after.store.is_answered(first.id)


async def test_a_folder_without_a_report_goes(parts: WorkerParts) -> None:
    parts.store.begin()
    after, _ = await restart(parts)
    assert after.store.ids() == []


async def test_an_unreadable_report_whose_script_was_started_fails_and_its_request_goes(parts: WorkerParts) -> None:
    report = parts.take()
    spoil(parts, report.id)
    (parts.store.folder(report.id) / "started").write_text("{}")
    after, resumed = await restart(parts)
    assert resumed == []
    latest = after.store.latest()
    assert latest is not None
    assert (latest.reason, latest.request.sha256) == (Reason.STATE_UNREADABLE, report.request.sha256)
    assert after.names() == {FAILED}
    assert after.store.is_recorded(report.id)
    assert after.store.served.entries == []


async def test_an_unreadable_report_whose_script_was_not_started_is_over_and_its_request_is_served_anew(
    parts: WorkerParts,
) -> None:
    report = parts.take()
    spoil(parts, report.id)
    after, resumed = await restart(parts)
    assert resumed == []
    assert after.names() == {REQUEST}
    assert after.store.is_answered(report.id)
    assert after.take().id != report.id


@pytest.mark.parametrize("runs", [False, True])
async def test_a_deployment_whose_record_was_removed_fails_and_is_not_started_again(
    parts: WorkerParts, runs: bool
) -> None:
    report = parts.take()
    parts.store.folder(report.id).rename(parts.root / "removed")
    after, resumed = await restart(parts, {report.id: 0.0} if runs else {})
    assert resumed == []
    latest = after.store.latest()
    assert latest is not None
    assert latest.reason is Reason.STATE_UNREADABLE
    assert ("still runs" in latest.message) is runs
    assert after.names() == {FAILED}
    assert after.store.served.entries == []


async def test_a_deployment_whose_record_was_removed_after_its_answer_is_only_let_go(parts: WorkerParts) -> None:
    report = parts.finish(parts.take())
    parts.markers.answers.put(report)
    parts.store.folder(report.id).rename(parts.root / "removed")
    after, _ = await restart(parts)
    assert after.markers.answers.answered_id() == report.id
    assert (after.names(), after.store.ids(), after.store.served.entries) == ({FAILED}, [], [])


@pytest.mark.parametrize(("began_wall_s", "served"), [(2e9, True), (0.0, False)])
async def test_where_all_records_are_gone_a_process_that_runs_shows_whose_request_it_is(
    parts: WorkerParts, began_wall_s: float, served: bool
) -> None:
    report = parts.take()
    parts.store.folder(report.id).rename(parts.root / "removed")
    parts.store.served.path.unlink()
    after, _ = await restart(parts, {report.id: began_wall_s})
    assert (after.names() == {FAILED}) is served
    assert (after.names() == {REQUEST}) is not served


async def test_a_request_that_was_set_aside_and_that_nobody_knows_is_put_back(parts: WorkerParts) -> None:
    parts.request.rename(parts.folder / ".pinakad-request-20261123T212455Z.0007")
    after, _ = await restart(parts)
    assert after.names() == {REQUEST}


async def test_probes_of_the_clock_go(parts: WorkerParts) -> None:
    (parts.folder / ".pinakad-clock-00000000").touch()
    after, _ = await restart(parts)
    assert after.names() == {REQUEST}
