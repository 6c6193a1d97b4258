"""An answered request goes, and a touch of it at any moment is a new request."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from worker_parts import WorkerParts

from pinakad.daemon.release import LATE_TOUCH_S
from pinakad.markers.names import COMPLETED, FAILED, REQUEST

pytestmark = pytest.mark.looptime(start=1000)


@pytest.fixture
def parts(tmp_path: Path) -> WorkerParts:
    parts = WorkerParts(tmp_path)
    parts.request.write_text('{"request_id": "served"}')
    return parts


async def answer(parts: WorkerParts, then: Callable[[], None] = lambda: None) -> str:
    """Answer the request that is there, do something right after it, and wait for late touches."""
    report = parts.finish(parts.take())
    async with asyncio.TaskGroup() as group:
        parts.release.use(group)
        await parts.release.answer(report)
        then()
    return report.id


async def test_the_request_is_set_aside_until_nobody_touches_it_any_more(parts: WorkerParts) -> None:
    seen: list[set[str]] = []
    began_s = asyncio.get_running_loop().time()
    identifier = await answer(parts, lambda: seen.append(parts.names()))
    assert seen == [{FAILED, f".pinakad-request-{identifier}"}]
    assert parts.names() == {FAILED}
    assert LATE_TOUCH_S <= asyncio.get_running_loop().time() - began_s < LATE_TOUCH_S + 0.3
    assert parts.store.is_answered(identifier)
    assert parts.store.served.entries == []
    assert parts.markers.answers.answered_id() == identifier


async def test_its_record_in_served_json_says_that_it_is_over_while_it_is_set_aside(parts: WorkerParts) -> None:
    over: list[bool] = []
    await answer(parts, lambda: over.extend(entry.is_over for entry in parts.again().store.served.entries))
    assert over == [True]


async def test_a_late_touch_brings_it_back_as_another_request(parts: WorkerParts) -> None:
    with parts.request.open("a") as held:
        identifier = await answer(parts, lambda: os.utime(held.fileno()))
    assert parts.names() == {FAILED, REQUEST}
    assert parts.store.is_answered(identifier)
    assert parts.take().id != identifier


async def test_a_touch_during_the_run_leaves_it_there_as_another_request(parts: WorkerParts) -> None:
    report = parts.finish(parts.take())
    os.utime(parts.request, ns=(0, 0))
    async with asyncio.TaskGroup() as group:
        parts.release.use(group)
        await parts.release.answer(report)
    assert parts.names() == {FAILED, REQUEST}
    assert parts.store.served.entries == []
    assert parts.take().id != report.id


async def test_a_request_whose_folder_is_away_goes_when_it_is_back_and_its_answer_is_there_first(
    parts: WorkerParts, tmp_path: Path
) -> None:
    report = parts.finish(parts.take())
    parts.folder.rename(tmp_path / "away")
    parts.folder.mkdir()
    async with asyncio.TaskGroup() as group:
        parts.release.use(group)
        await parts.release.answer(report)
        assert parts.names() == {FAILED}
        assert not parts.store.is_answered(report.id)
        (entry,) = parts.store.served.entries
        assert (entry.answered, entry.gone) == (True, False)
        parts.release.retry()
        assert parts.store.served.entries == [entry]
        parts.folder.rename(tmp_path / "empty")
        (tmp_path / "away").rename(parts.folder)
        parts.release.retry()
        assert parts.names() == {FAILED, f".pinakad-request-{report.id}"}
    assert parts.names() == {FAILED}
    assert parts.store.is_answered(report.id)
    assert parts.store.served.entries == []


async def test_the_answer_waits_for_the_folder_and_the_trouble_is_shown_so_long(
    parts: WorkerParts, tmp_path: Path
) -> None:
    report = parts.finish(parts.take())
    parts.folder.rename(tmp_path / "away")
    async with asyncio.TaskGroup() as group:
        parts.release.use(group)
        answering = group.create_task(parts.release.answer(report), name="answer")
        await asyncio.sleep(1)
        assert not answering.done()
        assert parts.troubles.text.startswith("cannot write the answer: no such file or directory")
        (tmp_path / "away").rename(parts.folder)
        await answering
        assert parts.troubles.text == ""
    assert parts.names() == {FAILED}


async def test_a_cancel_of_the_run_goes_with_its_answer_and_old_deployments_with_it(parts: WorkerParts) -> None:
    done = []
    for _ in range(4):
        (parts.folder / "deployment_cancel").touch()
        parts.request.touch()
        done.append(await answer(parts))
    assert parts.names() == {FAILED}
    assert parts.store.ids() == done[-2:]
    assert parts.release.ended_ns > 0


async def test_an_earlier_answer_of_the_other_name_goes(parts: WorkerParts) -> None:
    (parts.folder / COMPLETED).touch()
    await answer(parts)
    assert parts.names() == {FAILED}
