"""The end of polling: who is given up, when, and who has time for one more attempt."""

import asyncio

import pytest
from field import DOWN, HANGS, LAUNCHED_S, LIMIT_S, UP, Field, poller, since_launch_s, states

from pinakad.polling.node_poll import ROUND_EACH_S, NodePoll
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import NodeReason, Rung

pytestmark = pytest.mark.looptime(start=LAUNCHED_S)
SETTINGS = PollSettings(delay_s=90, interval_s=5, attempts=4)
ONE = PollSettings(delay_s=90, interval_s=5, attempts=1)
END_S = 110


@pytest.mark.parametrize("takes_s", [0.01, 1.5, 20.0, LIMIT_S - 1])
async def test_the_only_slot_of_a_node_leaves_time_for_a_whole_attempt(takes_s: float) -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: takes_s)
    run = poller(5, asked, ONE)
    await run.run()
    assert states(run) == ["up"] * 5
    assert since_launch_s() < 95 + takes_s + 5 + takes_s, "and one more look at those that waited for the last"


async def test_a_node_that_hangs_has_one_attempt_to_its_own_limit_and_then_the_verdict_comes() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: HANGS)
    run = poller(3, asked, SETTINGS)
    await run.run()
    assert [len(asked.of(index)) for index in range(3)] == [1, 1, 1]
    assert asked.cancelled == 0
    assert since_launch_s() == pytest.approx(asked.of(2)[0] + LIMIT_S)
    assert [(poll.state, poll.reason) for poll in run.polls] == [("failed", "timeout")] * 3


async def test_a_node_that_is_known_to_hang_is_cut_at_the_end() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: HANGS, limit_s=6)
    run = poller(1, asked, SETTINGS.model_copy(update={"attempts": 5}))
    await run.run()
    assert asked.of(0) == [90, 100, 110]
    assert (since_launch_s(), asked.cancelled) == (115, 1)
    assert run.polls[0].reasons == {NodeReason.TIMEOUT: 2}


async def test_a_node_that_comes_up_in_its_last_slot_may_take_its_time() -> None:
    asked = Field(lambda _i, t: UP if t > 106 else DOWN, takes_s=lambda _i, t: 20.0 if t > 104 else 0.01)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert (since_launch_s(), states(run)) == (125, ["up"])


async def test_three_hundred_nodes_whose_logins_wait_in_a_queue_are_all_up() -> None:
    workers = asyncio.Semaphore(4)
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: 1.0)

    class Queued(Field):
        async def ask(self, index: int):  # noqa: ANN202 - as its parent
            async with workers:
                return await asked.ask(index)

    run = poller(300, Queued(lambda _i, _t: UP), ONE)
    await run.run()
    assert states(run) == ["up"] * 300


async def test_a_node_that_was_up_before_the_exit_gets_its_confirming_attempt_however_short_the_rest_is() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, t: 30.0 if t > 100 else 0.01)
    run = poller(2, asked, ONE, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(201)
        run.script_exited(LAUNCHED_S + 200)
    assert states(run) == ["up", "up"]


async def test_an_attempt_from_before_the_exit_blames_nobody() -> None:
    asked = Field(lambda _i, t: UP if t > 100 else DOWN, takes_s=lambda _i, t: HANGS if t < 91 else 0.01, limit_s=9)
    run = poller(1, asked, ONE, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(92)
        run.script_exited(LAUNCHED_S + 92)  # the end is at 97, the attempt from 90 hangs until 99
    assert (asked.of(0), states(run)) == ([90, 100], ["up"])


@pytest.mark.parametrize("again", [True, False])
async def test_a_node_that_falls_back_at_the_end_is_asked_once_more(again: bool) -> None:
    asked = Field(lambda _i, t: DOWN if t > 200 and not (again and t > 203) else UP)
    run = poller(1, asked, ONE, exited_s=None)
    async with asyncio.TaskGroup() as group:
        group.create_task(run.run(), name="poll")
        await asyncio.sleep(199)
        run.script_exited(LAUNCHED_S + 199)  # the end is at 204
    assert asked.of(0) == [90, 200, 205]
    assert states(run) == ["up" if again else "failed"]


# --- how old may a confirmation be?


async def test_a_node_that_dies_after_it_was_confirmed_is_not_up_when_the_last_one_comes() -> None:
    asked = Field(lambda i, t: (UP if t < 91 else DOWN) if i == 0 else (UP if t > 100 else DOWN))
    run = poller(2, asked, SETTINGS)
    await run.run()
    assert states(run) == ["failed", "up"]
    assert run.polls[0].reason is NodeReason.REFUSED
    assert since_launch_s() == END_S


async def test_a_node_that_fails_the_last_look_is_waited_for_on_the_grid_and_the_others_are_looked_at_again() -> None:
    asked = Field(
        lambda i, t: UP if (i == 0 and not 91 < t < 122) or (i == 1 and t > 100) or i == 2 else DOWN,
    )
    run = poller(3, asked, PollSettings(delay_s=90, interval_s=5, attempts=20))
    await run.run()
    assert states(run) == ["up"] * 3
    assert all(moment % 5 == 0 for moment in asked.of(0)[2:]), "on the grid"
    assert asked.of(0)[-1] == 125
    assert min(asked.of(1)[-1], asked.of(2)[-1]) >= 125, "who was confirmed long before that is asked again"


async def test_where_all_confirmations_are_fresh_nobody_is_asked_again() -> None:
    asked = Field(lambda _i, t: UP if t > 95 else DOWN)
    run = poller(50, asked, SETTINGS)
    await run.run()
    assert all(len(asked.of(index)) == 2 for index in range(50))
    assert since_launch_s() < 100


async def test_thousands_of_logins_that_take_longer_than_an_interval_are_not_made_twice() -> None:
    workers = asyncio.Semaphore(10)
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: 0.05)

    class Queued(Field):
        async def ask(self, index: int):  # noqa: ANN202 - as its parent
            async with workers:
                return await asked.ask(index)

    run = poller(3000, Queued(lambda _i, _t: UP), SETTINGS)
    await run.run()
    assert (len(asked.attempts), states(run)) == (3000, ["up"] * 3000)
    assert since_launch_s() > 104, "longer than an interval"


async def test_a_last_look_that_takes_longer_than_an_interval_is_the_last_all_the_same() -> None:
    asked = Field(lambda i, t: UP if i or t > 101 else DOWN, takes_s=lambda _i, t: 12.0 if t > 100 else 0.01)
    run = poller(4, asked, PollSettings(delay_s=90, interval_s=5, attempts=20))
    await run.run()
    assert states(run) == ["up"] * 4
    assert [len(asked.of(index)) for index in range(1, 4)] == [2, 2, 2]


async def test_a_last_look_at_many_nodes_makes_no_burst() -> None:
    asked = Field(lambda i, t: UP if i or t > 110 else DOWN)
    await poller(1000, asked, PollSettings(delay_s=90, interval_s=5, attempts=20)).run()
    again = [moment for index, moment in asked.attempts if index and moment > 100]
    assert len(again) == 999
    assert max(again) - min(again) == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("count", [1, 2, 7])
@pytest.mark.parametrize("late", [3.0, 8.0, 19.0, 33.0])
@pytest.mark.parametrize("dies", [False, True])
async def test_at_the_verdict_every_node_answered_within_an_interval_and_the_last_look(
    count: int, late: float, dies: bool
) -> None:
    """`late`: when the last node comes; `dies`: the first one does so 2 s before that."""
    moment = 90 + late

    def plan(index: int, t: float) -> tuple[Rung | None, NodeReason | None]:
        if dies and index == 0 and count > 1 and t > moment - 2:
            return DOWN
        return UP if index < count - 1 or t > moment else DOWN

    asked = Field(plan, takes_s=lambda _i, _t: 0.7)
    run = poller(count, asked, PollSettings(delay_s=90, interval_s=5, attempts=10))
    await run.run()
    dead = dies and count > 1 and any(t > moment - 2 for t in asked.of(0))
    assert states(run)[0] == ("failed" if dead else "up")
    if not dead:
        oldest_s = min(poll.answered_s for poll in run.polls)
        assert LAUNCHED_S + since_launch_s() - oldest_s <= 5 + count * ROUND_EACH_S + 0.7 + 0.2


async def test_a_node_that_flaps_is_not_looked_at_for_ever() -> None:
    asked = Field(lambda i, t: UP if i else (UP if int(t / 5) % 2 else DOWN))
    run = poller(2, asked, SETTINGS)
    await run.run()
    assert since_launch_s() <= END_S + 10


async def test_a_node_that_must_answer_in_a_row_does_so_again_after_another_boot() -> None:
    settings = PollSettings(delay_s=90, interval_s=5, attempts=20, stable_checks=3)
    asked = Field(
        lambda i, t: UP if i == 0 or t > 130 else DOWN, boot_id=lambda i, t: "second" if i == 0 and t > 120 else "first"
    )
    run = poller(2, asked, settings)
    await run.run()
    assert states(run) == ["up", "up"]
    assert run.polls[0].boot_id == "second"
    assert run.polls[0].reasons[NodeReason.UNSTABLE] == 2 + 2, "the last look found another boot"


# --- after a restart


@pytest.mark.parametrize(("hangs", "bound_s"), [(False, 5.1), (True, 5 + LIMIT_S)])
async def test_a_restart_after_the_end_puts_the_verdict_off_by_one_attempt_at_a_dead_node(
    hangs: bool, bound_s: float
) -> None:
    asked = Field(lambda _i, _t: DOWN, takes_s=lambda _i, _t: HANGS if hangs else 0.01)
    before = NodePoll(attempts=4, reason=NodeReason.REFUSED, reasons={NodeReason.REFUSED: 4})
    await asyncio.sleep(503)
    run = poller(2, asked, SETTINGS, back_s=503, polls=[before, before])
    await run.run()
    assert states(run) == ["failed"] * 2
    assert [len(asked.of(index)) for index in range(2)] == [1, 1]
    assert since_launch_s() <= 503 + bound_s


async def test_a_restart_after_the_end_finds_who_came_up_meanwhile() -> None:
    asked = Field(lambda _i, _t: UP)
    await asyncio.sleep(500)
    run = poller(2, asked, SETTINGS, back_s=500)
    await run.run()
    assert (asked.of(0), asked.of(1)) == ([500], [500])
    assert states(run) == ["up", "up"]


async def test_a_restart_that_puts_nothing_off_any_more_judges_what_is_written_down_and_asks_the_others() -> None:
    asked = Field(lambda _i, _t: UP)
    before = NodePoll(attempts=4, reason=NodeReason.REFUSED, reasons={NodeReason.REFUSED: 4})
    await asyncio.sleep(500)
    run = poller(2, asked, SETTINGS, back_s=500, polls=[before, NodePoll()])
    run.judge_by_the_record()
    await run.run()
    assert (states(run), asked.of(0)) == (["failed", "up"], [])
