import asyncio

import pytest

from pinakad.linux.waiting import wait_until_set

pytestmark = pytest.mark.looptime


async def test_what_happens_in_time_is_told_at_once() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(2, event.set)
    assert await wait_until_set(event, 5)
    assert asyncio.get_running_loop().time() == 2


async def test_the_limit_ends_the_waiting() -> None:
    assert not await wait_until_set(asyncio.Event(), 5)
    assert asyncio.get_running_loop().time() == 5


@pytest.mark.parametrize("steps", range(5))
async def test_a_cancellation_comes_through_in_the_very_moment_of_the_event(steps: int) -> None:
    event = asyncio.Event()

    async def loop_on() -> None:
        while True:
            event.clear()
            await wait_until_set(event, 5)

    async with asyncio.timeout(60):  # what swallows its cancellation goes on for ever
        task = asyncio.get_running_loop().create_task(loop_on())
        await asyncio.sleep(0.1)
        event.set()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
