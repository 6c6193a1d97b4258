"""Who is let in when there is little room: do those that hang hold up those that do not?"""

import asyncio
import random

import pytest

from pinakad.ssh.limiter import Limiter, Permit

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime]


async def _admitted(limiter: Limiter, *, behind: bool = False) -> "asyncio.Task[Permit]":
    task = asyncio.get_running_loop().create_task(limiter.enter(behind=behind))
    await asyncio.sleep(0)
    return task


async def test_a_place_goes_to_who_waited_longest() -> None:
    limiter = Limiter(most=1, most_behind=1)
    place = await limiter.enter(behind=False)
    first, second = await _admitted(limiter), await _admitted(limiter)
    limiter.leave(place)
    await asyncio.sleep(0)
    assert (first.done(), second.done()) == (True, False)
    limiter.leave(await first)
    limiter.leave(await second)


async def test_who_hung_last_time_comes_after_all_others() -> None:
    limiter = Limiter(most=1, most_behind=1)
    place = await limiter.enter(behind=False)
    hung, healthy = await _admitted(limiter, behind=True), await _admitted(limiter)
    limiter.leave(place)
    await asyncio.sleep(0)
    assert (hung.done(), healthy.done()) == (False, True)
    limiter.leave(await healthy)
    limiter.leave(await hung)


async def test_those_that_hang_leave_room_for_a_healthy_one() -> None:
    limiter = Limiter(most=8, most_behind=6)
    hung = [await _admitted(limiter, behind=True) for _ in range(20)]
    assert sum(task.done() for task in hung) == 6
    await limiter.enter(behind=False)
    for task in hung:
        task.cancel()


async def test_a_slow_login_takes_no_place_of_those_that_work() -> None:
    limiter = Limiter(most=100, most_behind=50, width=4, slow_s=0.5)
    stuck = [await limiter.enter(behind=False) for _ in range(4)]
    began_s = asyncio.get_running_loop().time()
    await limiter.enter(behind=False)
    assert asyncio.get_running_loop().time() - began_s == pytest.approx(0.5)
    for place in stuck:
        limiter.leave(place)
    assert not limiter.is_full(behind=False)


async def test_slow_logins_are_bounded() -> None:
    limiter = Limiter(most=10, most_behind=10, width=4, slow_s=0.5)
    tasks = [await _admitted(limiter) for _ in range(50)]
    await asyncio.sleep(60)
    assert sum(task.done() for task in tasks) == 10
    for task in tasks:
        task.cancel()


async def test_a_cancelled_wait_takes_no_place() -> None:
    limiter = Limiter(most=1, most_behind=1)
    place = await limiter.enter(behind=False)
    gone, next_one = await _admitted(limiter), await _admitted(limiter)
    gone.cancel()
    limiter.leave(place)
    limiter.leave(await next_one)
    assert not limiter.is_full(behind=False)


async def test_a_place_that_is_given_to_a_cancelled_wait_goes_on_to_the_next() -> None:
    limiter = Limiter(most=1, most_behind=1)
    place = await limiter.enter(behind=False)
    gone, next_one = await _admitted(limiter), await _admitted(limiter)
    limiter.leave(place)  # it is `gone`'s now, and it has not run yet
    gone.cancel()
    limiter.leave(await next_one)
    assert not limiter.is_full(behind=False)


async def test_no_order_of_events_lets_too_many_in_or_loses_a_place() -> None:
    dice = random.Random(5)  # noqa: S311 - no secret
    limiter = Limiter(most=6, most_behind=4, width=3, slow_s=0.2)
    inside = {False: 0, True: 0}

    async def visit(behind: bool) -> None:
        place = await limiter.enter(behind=behind)
        inside[behind] += 1
        try:
            assert inside[False] + inside[True] <= 6
            assert inside[True] <= 4
            await asyncio.sleep(dice.random())
        finally:
            inside[behind] -= 1
            limiter.leave(place)

    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(visit(dice.random() < 0.5)) for _ in range(300)]
    for task in dice.sample(tasks, 60):
        await asyncio.sleep(dice.random() / 10)
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not [task for task in tasks if not task.cancelled() and task.exception()]
    filled = [await _admitted(limiter) for _ in range(3)]
    assert all(task.done() for task in filled)
