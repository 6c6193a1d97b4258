"""A write that fails is repeated until it succeeds."""

import asyncio
import errno

import pytest

from pinakad.state.retry import WriteRetry
from pinakad.state.troubles import Troubles


class Disk:
    """Refuses so many writes, and counts them."""

    def __init__(self, refuses: int) -> None:
        self.writes = 0
        self._refuses = refuses

    def write(self) -> str:
        self.writes += 1
        if self.writes <= self._refuses:
            raise OSError(errno.ENOSPC, "No space left on device", "/state/report.json")
        return "written"


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("refuses", [0, 1, 3])
async def test_a_write_is_repeated_until_it_succeeds_and_its_trouble_is_shown_so_long(
    refuses: int, in_thread: bool
) -> None:
    disk, troubles, shown = Disk(refuses), Troubles(), []

    async def next_try() -> None:
        shown.append(troubles.text)
        await asyncio.sleep(0)

    write_retry = WriteRetry(next_try, troubles)
    assert await write_retry.until_done("the report", disk.write, in_thread=in_thread) == "written"
    assert disk.writes == refuses + 1
    assert shown == ["cannot write the report: no space left on device ('/state/report.json')"] * refuses
    assert troubles.text == ""


async def test_only_a_refusal_of_the_system_is_waited_out() -> None:
    def write() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await WriteRetry(lambda: asyncio.sleep(0), Troubles()).until_done("it", write)


async def test_a_write_that_succeeds_at_once_does_not_give_way_to_other_tasks() -> None:
    ran: list[str] = []
    other = asyncio.get_running_loop().create_task(asyncio.sleep(0), name="other")
    other.add_done_callback(lambda _: ran.append("other"))
    await WriteRetry(lambda: asyncio.sleep(0), Troubles()).until_done("it", lambda: ran.append("written"))
    assert ran == ["written"]
    await other


async def test_troubles_of_two_writes_are_independent() -> None:
    troubles = Troubles()
    write_retry = WriteRetry(lambda: asyncio.sleep(0), troubles)
    write_retry.failed("the report", OSError(errno.ENOSPC, "No space left on device"))
    write_retry.failed("known_hosts", OSError(errno.EROFS, "Read-only file system"))
    write_retry.succeeded("the report")
    assert troubles.text == "cannot write known_hosts: read-only file system"
    write_retry.not_needed("known_hosts")
    assert troubles.text == ""
