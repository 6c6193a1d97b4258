"""Limits in the time that we had: on time they are what they say, late they are stretched, and never without end."""

import asyncio
from typing import Any

import pytest

from pinakad.login.own_time import LEAST, TICK_S, own_part
from pinakad.ssh.own_time import OwnTime

pytestmark = pytest.mark.looptime(start=1000.0)


async def gone_off(own: OwnTime, limit_s: float) -> float:
    """Return after how many seconds a timer of this limit goes off."""
    over, began_s = asyncio.Event(), asyncio.get_running_loop().time()
    own.call_later(limit_s, over.set)
    await over.wait()
    return asyncio.get_running_loop().time() - began_s


def starve(each_s: float) -> None:
    """From now on let every wake-up of the loop be late."""
    loop: Any = asyncio.get_running_loop()

    def late() -> None:
        loop.setup_looptime(start=loop.time() + each_s)
        loop.call_later(TICK_S / 2, late)

    loop.call_later(TICK_S / 2, late)


@pytest.mark.parametrize("limit_s", [0.05, 1.0, 15.0])
async def test_a_process_that_runs_keeps_its_limits(limit_s: float) -> None:
    assert await gone_off(OwnTime(), limit_s) == pytest.approx(limit_s, abs=TICK_S + 0.001)


async def test_a_process_that_hardly_runs_has_more_time() -> None:
    starve(0.25)
    assert 3.0 < await gone_off(OwnTime(), 0.5) <= 0.5 / LEAST + 1


@pytest.mark.parametrize("each_s", [0.03, 0.1, 1.0, 10.0])
async def test_every_limit_ends(each_s: float) -> None:
    starve(each_s)
    assert await gone_off(OwnTime(), 1.0) <= 1.0 / LEAST + each_s


async def test_a_timer_that_is_cancelled_or_cancels_another_does_no_harm() -> None:
    own, heard = OwnTime(), []
    second: object = None
    own.call_later(0.1, lambda: own.cancel(second))
    second = own.call_later(0.1, lambda: heard.append("second"))
    own.cancel(own.call_later(0.05, lambda: heard.append("cancelled")))
    own.call_later(0.2, lambda: heard.append("last"))
    await asyncio.sleep(1)
    assert heard == ["last"]


def test_the_later_a_tick_the_less_of_it_is_ours() -> None:
    parts = [own_part(passed_s) / passed_s for passed_s in (0.02, 0.03, 0.05, 0.1, 0.3, 2.0)]
    assert parts == sorted(parts, reverse=True)
    assert parts[0] == 1
    assert parts[-1] == LEAST
