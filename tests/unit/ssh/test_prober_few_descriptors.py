"""What do attempts do when fewer connections may be open than there are nodes?"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from machines import free_port
from probing import prober as prober_of
from site_folders import write_key

from pinakad.config import SshSettings
from pinakad.polling.vocabulary import NodeReason
from pinakad.ssh.prober import Prober, Target

ROOM = 16
SILENT = 100
NET = f"127.{os.getpid() % 250 + 2}"


class Crowd:
    """SILENT nodes that take a connection and say nothing, and one beside them that answers at once."""

    def __init__(self, port: int) -> None:
        self.silent = [Target(f"{NET}.61.{number + 1}", port, "anybody") for number in range(SILENT)]
        self.quick = Target(f"{NET}.62.1", port, "anybody")
        self.open = self.most_open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if writer.get_extra_info("sockname")[0] == self.quick.address:
            writer.write(b"220 no SSH here\r\n")
        else:
            self.open += 1
            self.most_open = max(self.most_open, self.open)
            await reader.read()
            self.open -= 1
        writer.close()


@pytest.fixture
async def crowd() -> AsyncIterator[Crowd]:
    port = free_port()
    crowd = Crowd(port)
    server = await asyncio.start_server(crowd.serve, "0.0.0.0", port, backlog=1000)  # noqa: S104 - all of 127/8
    yield crowd
    server.close()


def _prober(folder: Path) -> Prober:
    settings = SshSettings(allow_loopback=True, banner_timeout_s=0.2)
    write_key(folder / "key.pem")
    return prober_of(folder, settings, ROOM)


async def test_all_take_turns_within_the_room_that_is_there(crowd: Crowd, tmp_path: Path) -> None:
    prober = _prober(tmp_path)
    begun: dict[str, int] = dict.fromkeys((target.address for target in crowd.silent), 0)
    spread: list[int] = []

    async def ask_on(target: Target) -> None:
        for _ in range(3):
            probe = await prober.attempt(target)
            assert probe.reason is NodeReason.BANNER_TIMEOUT
            begun[target.address] += 1
            spread.append(max(begun.values()) - min(begun.values()))

    async with asyncio.TaskGroup() as group:
        for target in crowd.silent:
            group.create_task(ask_on(target))
    assert set(begun.values()) == {3}
    assert max(spread) <= 2  # nobody is asked again and again while others wait
    assert crowd.most_open <= ROOM + 2  # the crowd sees a connection end a little later than we do
    prober.close()


async def test_a_node_that_answers_does_not_wait_for_those_that_hung_last_time(crowd: Crowd, tmp_path: Path) -> None:
    prober, loop = _prober(tmp_path), asyncio.get_running_loop()
    hung = [Target(target.address, target.port, target.user, stalled=True) for target in crowd.silent]
    tasks = [loop.create_task(prober.attempt(target)) for target in hung]
    await asyncio.sleep(0.05)
    began_s = loop.time()
    assert (await prober.attempt(crowd.quick)).reason is NodeReason.NOT_SSH
    assert loop.time() - began_s < 0.2
    assert sum(task.done() for task in tasks) < SILENT
    await asyncio.gather(*tasks)
    prober.close()


async def test_an_attempt_begins_when_it_has_room_not_when_it_was_due(crowd: Crowd, tmp_path: Path) -> None:
    prober, loop = _prober(tmp_path), asyncio.get_running_loop()
    due_s = loop.time()
    probes = await asyncio.gather(*(prober.attempt(target) for target in crowd.silent))
    assert max(probe.began_s for probe in probes) - due_s > 0.2 * (SILENT // ROOM - 1)
    prober.close()


async def test_it_is_told_once(crowd: Crowd, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    prober = _prober(tmp_path)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            await asyncio.gather(*(prober.attempt(target) for target in crowd.silent))
    told = [record.getMessage() for record in caplog.records if "open files" in record.getMessage()]
    assert told == [
        "only 16 connections can be open at once: nodes are asked less often; raise the limit of open files"
    ]
    prober.close()


async def test_nothing_is_told_where_there_is_room(
    crowd: Crowd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prober = _prober(tmp_path)
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(*(prober.attempt(target) for target in crowd.silent[:ROOM]))
    assert not caplog.records
    prober.close()
