"""Does a stream tell everything that changes, nothing of another deployment, and say so where it has a gap?"""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from report_example import finished_report
from web_folders import Folders, with_nodes

from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.document import Report
from pinakad.web.exchange import Refused
from pinakad.web.stream import MANY_NODES, MOST_STREAMS, Hub, Stream, open_stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Events = list[tuple[str, Any]]


class Listener:
    """One client of a hub: what it got since it was last asked, and the last id."""

    def __init__(self, hub: Hub, last: str | None = None, now: list[float] | None = None) -> None:
        self.now = now or [0.0]
        self.pieces: AsyncIterator[bytes] = Stream(hub, last, lambda: self.now[0]).pieces()
        self.last = ""

    async def events(self) -> Events:
        """Return the next events; the stream's first piece says only when to come again."""
        text = (await anext(self.pieces)).decode()
        if text.startswith("retry"):
            text = (await anext(self.pieces)).decode()
        found = []
        for block in text.removesuffix("\n\n").split("\n\n"):
            lines = dict(line.split(": ", 1) for line in block.splitlines())
            self.last = lines["id"]
            found.append((lines["event"], json.loads(lines["data"])))
        return found


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    made = Folders(tmp_path)
    made.lock.hold()
    return made


@pytest.fixture
async def hub(folders: Folders) -> Hub:
    return Hub(folders.live, asyncio.Event())


def changed(report: Report, *indexes: int, **values: Any) -> Report:
    nodes = list(report.nodes)
    for index in indexes:
        nodes[index] = nodes[index].model_copy(update=values)
    return report.but(nodes=nodes)


async def test_a_new_stream_begins_with_everything_but_the_nodes_and_then_tells_what_changes(
    folders: Folders, hub: Hub
) -> None:
    report = with_nodes(finished_report(), 3)
    folders.publish(report)
    listener = Listener(hub)
    first = await listener.events()
    assert [kind for kind, _ in first] == ["daemon", "deployment", "reset", "log"]
    assert first[1][1]["id"] == report.id
    assert "nodes" not in first[1][1]
    folders.publish(changed(report, 1, state=NodeState.FAILED, reason=NodeReason.REFUSED))
    kinds = dict(await listener.events())
    assert set(kinds) == {"deployment", "nodes"}
    assert [node["index"] for node in kinds["nodes"]["nodes"]] == [1]
    assert kinds["deployment"]["reasons"] == {"refused": 1}


async def test_a_stream_that_comes_back_gets_what_it_missed(folders: Folders, hub: Hub) -> None:
    report = with_nodes(finished_report(), 3)
    folders.publish(report)
    first, keeper = Listener(hub), Listener(hub)
    await first.events()
    await keeper.events()
    for index in (0, 2):
        report = changed(report, index, message="changed")
        folders.publish(report)
        await keeper.events()
    kinds = dict(await Listener(hub, first.last).events())
    assert "reset" not in kinds
    assert [node["index"] for node in kinds["nodes"]["nodes"]] == [0, 2]


@pytest.mark.parametrize("last", ["20260101T000000Z.0001/1", "x", "/", "-/5", "20261123T212455Z.0001/99999999999999"])
async def test_a_stream_with_a_gap_is_told_to_begin_anew(folders: Folders, hub: Hub, last: str) -> None:
    folders.publish(with_nodes(finished_report(), 1))
    assert "reset" in dict(await Listener(hub, last).events())


async def test_another_deployment_resets_and_none_of_its_nodes_comes_under_the_old_one(
    folders: Folders, hub: Hub
) -> None:
    report = with_nodes(finished_report(), 2)
    folders.publish(report)
    listener = Listener(hub)
    await listener.events()
    other = report.model_copy(update={"id": "20261125T000000Z.0099"})
    folders.publish(changed(other, 0, message="of the new one"))
    events = await listener.events()
    assert [kind for kind, _ in events][:2] == ["deployment", "reset"]
    assert dict(events)["reset"] == {"deployment": other.id}
    assert "nodes" not in dict(events)


async def test_with_many_nodes_one_more_attempt_with_the_same_result_is_told_seldom(folders: Folders, hub: Hub) -> None:
    report = with_nodes(finished_report(), MANY_NODES + 1)
    report = changed(report, *range(MANY_NODES + 1), state=NodeState.WAITING, reason=NodeReason.REFUSED)
    folders.publish(report)
    listener = Listener(hub, now=[100.0])
    await listener.events()
    folders.publish(report := changed(report, 3, attempts=50))
    assert [node["index"] for node in dict(await listener.events())["nodes"]["nodes"]] == [3]  # the first for long
    folders.publish(report := changed(report, 4, attempts=50))
    folders.publish(report := changed(report, 5, reason=NodeReason.TIMEOUT))
    assert [node["index"] for node in dict(await listener.events())["nodes"]["nodes"]] == [5]
    listener.now[0] += 11
    assert [node["index"] for node in dict(await listener.events())["nodes"]["nodes"]] == [4]


async def test_there_is_an_end_of_streams(hub: Hub, folders: Folders) -> None:
    folders.publish(None)
    streams = [open_stream(hub, None) for _ in range(MOST_STREAMS)]
    for stream in streams:
        await anext(stream)
    with pytest.raises(Refused) as refused:
        open_stream(hub, None)
    assert refused.value.status == 503
    await streams[0].aclose()  # type: ignore[attr-defined]
    await anext(open_stream(hub, None))
    hub.ending.set()
    for stream in streams[1:]:
        while [piece async for piece in stream]:
            pass
    assert hub.streams <= 1
