import asyncio
from collections import Counter

import pytest
from field import DOWN, LAUNCHED_S, UP, Field, poller, states, time_s

from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import Poller
from pinakad.polling.schedule import TICK_S, Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, NodeState, Rung
from pinakad.times import Instant

pytestmark = pytest.mark.looptime(start=1000)

SETTINGS = PollSettings(delay_s=90, interval_s=5, attempts=4)


async def test_attempts_are_start_to_start_on_the_grid_until_polling_is_spent() -> None:
    asked = Field(lambda _i, _t: DOWN, takes_s=lambda _i, _t: 2.3)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert asked.of(0) == [90, 95, 100, 105]
    assert time_s() == LAUNCHED_S + 110
    assert states(run) == ["failed"]
    assert run.polls[0].reasons == {NodeReason.REFUSED: 4}


async def test_every_node_has_its_own_place_and_the_same_end() -> None:
    asked = Field(lambda _i, _t: DOWN)
    run = poller(80, asked, SETTINGS)
    await run.run()
    places = [asked.of(index)[0] for index in (0, 20, 40, 79)]
    assert places == pytest.approx([90, 90.02, 90.04, 90.08])
    assert {len(asked.of(index)) for index in range(80)} == {4}
    assert time_s() == LAUNCHED_S + 110


async def test_a_node_that_is_up_after_the_exit_is_asked_once() -> None:
    asked = Field(lambda _i, _t: UP)
    run = poller(2, asked, SETTINGS)
    await run.run()
    assert (asked.of(0), asked.of(1)) == ([90], [90])
    assert time_s() == pytest.approx(LAUNCHED_S + 90.01)
    assert states(run) == ["up", "up"]


async def test_a_slot_that_finds_the_last_attempt_busy_is_skipped_and_is_no_attempt() -> None:
    asked = Field(lambda _i, _t: DOWN, takes_s=lambda _i, _t: 7.0)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert asked.of(0) == [90, 100]
    assert run.polls[0].attempts == 2


async def test_an_attempt_that_ends_exactly_on_a_slot_leaves_that_slot_to_the_next() -> None:
    asked = Field(lambda _i, _t: DOWN, takes_s=lambda _i, _t: 5.0)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert asked.of(0) == [90, 95, 100, 105]


async def test_a_node_up_before_the_exit_is_not_asked_again_until_the_exit_and_then_confirmed() -> None:
    asked = Field(lambda _i, _t: UP)
    run = poller(1, asked, SETTINGS, exited_s=None)
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(run.run(), name="poll")
        await asyncio.sleep(1001)
        assert asked.of(0) == [90]
        assert (run.polls[0].state, run.polls[0].confirmed) == (NodeState.UP, False)
        assert not polling.done()
        run.script_exited(time_s())
    assert asked.of(0) == [90, 1005]
    assert run.polls[0].confirmed


async def test_a_node_that_goes_down_after_the_exit_falls_back_and_is_polled_on() -> None:
    asked = Field(lambda _i, t: UP if t < 100 or t > 111 else DOWN)
    run = poller(1, asked, SETTINGS, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(102)
        run.script_exited(time_s())
    assert asked.of(0) == [90, 105, 110, 115]
    assert states(run) == ["up"]
    assert run.polls[0].up_wall_s == pytest.approx(LAUNCHED_S + 115.01)


async def test_an_attempt_that_began_before_the_exit_confirms_nobody() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: 3.0)
    run = poller(1, asked, SETTINGS, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(91)
        run.script_exited(time_s())
    assert asked.of(0) == [90, 95]


async def test_polling_goes_on_for_the_record_while_the_script_runs_and_its_end_counts_from_the_exit() -> None:
    asked = Field(lambda _i, _t: DOWN)
    run = poller(1, asked, SETTINGS, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(203)
        assert len(asked.of(0)) == 23
        run.script_exited(time_s())
    assert time_s() == LAUNCHED_S + 203 + 20
    assert asked.of(0)[-1] == 220


async def test_after_a_failed_login_slots_are_left_out_but_never_the_last() -> None:
    asked = Field(lambda _i, _t: (Rung.HOST_KEY, NodeReason.AUTH_FAILED))
    run = poller(1, asked, PollSettings(delay_s=0, interval_s=5, attempts=8))
    await run.run()
    assert asked.of(0) == [0, 20, 35]


async def test_a_first_slot_that_has_just_passed_when_polling_begins_is_used_all_the_same() -> None:
    asked = Field(lambda _i, _t: DOWN)
    await asyncio.sleep(0.3)
    await poller(50, asked, PollSettings(delay_s=0, interval_s=5, attempts=4)).run()
    assert {len(asked.of(index)) for index in range(50)} == {4}


async def test_requiring_a_reboot_counts_from_then_on() -> None:
    asked = Field(lambda _i, _t: UP)
    run = poller(1, asked, SETTINGS)
    run.require_reboot()
    await run.run()
    assert run.polls[0].reasons == {NodeReason.NOT_REBOOTED: 4}
    assert states(run) == ["failed"]


async def test_a_bug_in_an_attempt_ends_polling_with_that_bug() -> None:
    async def ask(_index: int) -> AttemptResult:
        raise ZeroDivisionError

    schedule = Schedule(LAUNCHED_S, 0, 5, 4, LAUNCHED_S)
    run = Poller(
        [Baseline("n")], [NodePoll()], SETTINGS, schedule, ask, lambda: Instant(time_s(), 0.0), lambda *_: None
    )
    with pytest.raises(ExceptionGroup) as caught:
        await run.run()
    assert caught.group_contains(ZeroDivisionError)


async def test_progress_is_owed_only_while_an_attempt_is_due() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda index, _t: 4.0 + 2 * index)
    run = poller(2, asked, SETTINGS, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(95)
        assert run.idle_since_s == LAUNCHED_S + 94
        await asyncio.sleep(905)
        assert run.idle_since_s is None  # both are up, and the script still runs
        run.script_exited(time_s())
        assert run.idle_since_s == LAUNCHED_S + 1000


async def test_ten_thousand_dead_nodes_make_no_burst() -> None:
    asked = Field(lambda _i, _t: DOWN)
    await poller(10_000, asked, PollSettings(delay_s=1, interval_s=5, attempts=1)).run()
    by_moment = [moment for _, moment in asked.attempts]
    assert len(by_moment) == 10_000
    assert max(by_moment) - min(by_moment) == pytest.approx(4, abs=0.01)
    at_once = Counter(round(moment / TICK_S) for moment in by_moment)
    assert max(at_once.values()) <= 2 * 10_000 * TICK_S / 4  # twice what falls on a tick if they are spread evenly
