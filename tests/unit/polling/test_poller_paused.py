"""A process that is paused (SIGSTOP, a suspended machine, starvation) blames no node for it, whenever that is."""

import asyncio
from itertools import pairwise, product

import pytest
from field import DOWN, HANGS, LAUNCHED_S, LIMIT_S, UP, Field, pause, pause_at, poller, since_launch_s, states, time_s

from pinakad.polling.node_poll import AWAY_S, MAX_LATE_PAUSES
from pinakad.polling.poller import Poller
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung

pytestmark = pytest.mark.looptime(start=LAUNCHED_S)
SETTINGS = PollSettings(delay_s=10, interval_s=5, attempts=4)
END_S = 30
LONG_S = 600.0
UP_NODE, DEAD_NODE, COMES_DURING, HANGING_NODE = range(4)


class Nodes(Field):
    """One that is up, one that is dead, one that comes up in the middle of the pause, one that hangs."""

    def __init__(self, pause_s: float, length_s: float, kinds: tuple[int, ...], takes_s: float) -> None:
        comes_s = pause_s + length_s / 2
        super().__init__(
            lambda i, t: UP if kinds[i] == UP_NODE or (kinds[i] == COMES_DURING and t >= comes_s) else DOWN,
            takes_s=lambda i, _t: HANGS if kinds[i] == HANGING_NODE else takes_s,
        )


async def _run(run: Poller, exits_s: float) -> None:
    """Run, with a script that exits then: a pause over it is noticed afterwards, with the exit's own time."""
    loop = asyncio.get_running_loop()
    loop.call_at(LAUNCHED_S + exits_s, run.script_exited, LAUNCHED_S + exits_s)
    await run.run()


@pytest.mark.parametrize("takes_s", [0.01, 4.5, 12.0])
@pytest.mark.parametrize("length_s", [3.0, 17.0, LONG_S])
@pytest.mark.parametrize("exits_s", [2.0, 21.0])
@pytest.mark.parametrize("moment_s", [moment / 4 for moment in range(1, 200, 9)])
async def test_whenever_it_is_paused_no_node_is_given_up_without_an_attempt_after_it(
    moment_s: float, exits_s: float, length_s: float, takes_s: float
) -> None:
    kinds = (UP_NODE, DEAD_NODE, COMES_DURING)
    nodes = Nodes(moment_s, length_s, kinds, takes_s)
    run = poller(3, nodes, SETTINGS, exited_s=None)
    pause_at(moment_s, length_s)
    await _run(run, exits_s)
    ended_s = since_launch_s()
    was_paused = ended_s > moment_s + length_s - 1e-3
    come = was_paused or ended_s > moment_s + length_s / 2
    assert states(run) == ["up", "failed", "up" if come else "failed"]
    if was_paused:
        assert nodes.of(1)[-1] >= moment_s + length_s, "asked after the pause"
    usual_end_s = max(10, exits_s) + 20
    pause_end_s = moment_s + length_s if was_paused else 0
    assert ended_s <= max(usual_end_s, pause_end_s) + 2 * (5 + takes_s) + 1e-3


async def test_a_pause_past_the_end_makes_no_burst() -> None:
    nodes = Field(lambda _i, _t: DOWN)
    pause_at(12.0, LONG_S)
    await poller(1000, nodes, SETTINGS).run()
    after = sorted(moment for _, moment in nodes.attempts if moment >= 12 + LONG_S)
    assert len(after) == 1000
    assert max(sum(one <= moment < one + 0.1 for moment in after) for one in after[::50]) < 130


async def test_an_attempt_that_our_pause_ended_says_nothing_against_its_node() -> None:
    nodes = Field(lambda _i, _t: UP, takes_s=lambda _i, t: HANGS if t < 13 else 0.01)
    run = poller(1, nodes, SETTINGS)
    pause_at(12.0, LONG_S)
    await run.run()
    assert (states(run), run.polls[0].reasons) == (["up"], {})


async def test_an_answer_that_waited_for_us_over_a_pause_is_not_fresh() -> None:
    """It answered before the pause, died in it, and the other one comes right after it."""
    nodes = Field(
        lambda i, t: (UP if t < 11.5 or 611 < t < 611.9 else DOWN) if i == 0 else (UP if t > 611 else DOWN),
        takes_s=lambda _i, _t: 1.0,
    )
    run = poller(2, nodes, SETTINGS)
    pause_at(10.5, LONG_S)  # under node 0's attempt, which is 1 s long
    await run.run()
    assert states(run)[0] == "failed"


async def test_a_pause_of_the_last_look_takes_it_back() -> None:
    """Node 0 answers the last look and dies in the pause in it; node 1 answers after that."""
    nodes = Field(
        lambda i, t: UP if (i == 0 and t < 100) or i == 1 or (i == 2 and t > 22) else DOWN,
        takes_s=lambda i, t: 3.0 if i == 1 and t > 20 else 0.01,
    )
    run = poller(3, nodes, SETTINGS)
    pause_at(24.0, LONG_S)  # the last one came at 22.7
    await run.run()
    assert states(run) == ["failed", "up", "up"]


@pytest.mark.parametrize("between_s", [0.5, 3.0, 3.5, 40.0])
async def test_after_two_pauses_the_second_counts_too(between_s: float) -> None:
    comes_s = 12 + 100 + between_s + 50
    nodes = Field(lambda _i, t: UP if t > comes_s else DOWN, takes_s=lambda _i, _t: 1.0)
    run = poller(2, nodes, SETTINGS)
    pause_at(12.0, 100)
    pause_at(112.0 + between_s, 100)
    await run.run()
    over = since_launch_s() < 112 + between_s
    assert states(run) == (["failed"] if over else ["up"]) * 2
    assert over is (between_s > 20)


async def test_a_machine_that_is_always_late_gets_its_verdict_all_the_same() -> None:
    nodes = Field(lambda _i, _t: DOWN, takes_s=lambda _i, _t: 2.0)
    run = poller(1, nodes, SETTINGS)
    for number in range(2000):
        pause_at(1.0 + number * (AWAY_S + 1.1), AWAY_S + 0.1)
    await run.run()
    assert states(run) == ["failed"]
    assert since_launch_s() < END_S + (MAX_LATE_PAUSES + 8) * (AWAY_S + 5)


async def test_a_pause_is_told_with_its_length() -> None:
    told: list[float] = []
    run = poller(1, Field(lambda _i, _t: DOWN), SETTINGS, was_away=told.append)
    pause_at(12.0, 61.0)
    await run.run()
    assert told == [pytest.approx(61.0, abs=0.6)]


async def test_a_loop_that_is_late_by_less_than_that_was_not_away() -> None:
    told: list[float] = []
    nodes = Field(lambda _i, _t: DOWN)
    run = poller(500, nodes, SETTINGS, was_away=told.append)
    for number in range(20):
        pause_at(10.2 + number, 0.9)
    await run.run()
    assert told == []
    assert {len(nodes.of(index)) for index in range(500)} == {4}, "slots that are late are used all the same"


async def test_a_node_that_must_answer_in_a_row_gets_as_many_attempts_after_a_pause() -> None:
    settings = PollSettings(delay_s=10, interval_s=5, attempts=4, stable_checks=3)
    nodes = Field(lambda i, t: UP if i == 0 and t > 100 else DOWN)
    run = poller(2, nodes, settings)
    pause_at(12.0, LONG_S)
    await run.run()
    assert states(run) == ["up", "failed"]
    assert [len([t for t in nodes.of(index) if t > 600]) for index in range(2)] == [3, 1]


async def test_a_node_that_answers_in_a_row_but_never_long_enough_does_not_hold_up_the_verdict() -> None:
    settings = PollSettings(delay_s=10, interval_s=5, attempts=4, stable_checks=1000)
    run = poller(1, Field(lambda _i, _t: UP), settings)
    pause_at(12.0, LONG_S)
    await run.run()
    assert (states(run), run.polls[0].reason) == (["failed"], NodeReason.UNSTABLE)
    assert since_launch_s() < 12 + LONG_S + 5 * 5


async def test_a_paused_poller_goes_on_on_the_grid() -> None:
    nodes = Field(lambda _i, _t: DOWN)
    pause_at(11.0, 8.0)
    await poller(1, nodes, SETTINGS).run()
    assert nodes.of(0) == [10, 20, 25]


async def test_a_failed_login_keeps_its_distance_over_a_pause() -> None:
    nodes = Field(lambda _i, _t: (Rung.HOST_KEY, NodeReason.AUTH_FAILED))
    pause_at(26.0, 8.0)
    await poller(1, nodes, SETTINGS).run()
    assert min(b - a for a, b in pairwise(nodes.of(0))) >= 15


@pytest.mark.parametrize(("hangs", "at_s"), list(product([True, False], [31.0, 60.0, 105.0])))
async def test_a_pause_in_the_time_that_the_end_was_put_off_puts_it_off_once_more(hangs: bool, at_s: float) -> None:
    nodes = Field(lambda _i, t: UP if t > 200 else DOWN, takes_s=lambda _i, t: HANGS if hangs and t < 200 else 0.01)
    run = poller(1, nodes, SETTINGS)
    pause_at(at_s, LONG_S)
    await run.run()
    ended_before = since_launch_s() < at_s
    assert states(run) == ["failed" if ended_before else "up"]
    assert ended_before is (not hangs or at_s > 10 + LIMIT_S)


async def test_a_pause_between_the_alarm_and_the_attempt_is_no_reason_for_another_one() -> None:
    asked: list[float] = []

    async def ask(_index: int) -> AttemptResult:
        began_s = time_s()
        asked.append(since_launch_s())
        if len(asked) == 1:
            pause(LONG_S)
        await asyncio.sleep(0.01)
        return AttemptResult(began_s, None, NodeReason.REFUSED)

    nodes = Field(lambda _i, _t: DOWN)
    run = poller(1, nodes, SETTINGS)
    run._ask = ask
    await run.run()
    assert len(asked) == 2
