"""A node that cannot be asked, for want of something of ours, is never called down: it is asked on, then left open."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from field import DOWN, HANGS, LAUNCHED_S, UP, Field, pause_at, poller, since_launch_s, states, time_s

from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import ASK_LIMIT_S
from pinakad.polling.schedule import UNASKED_S
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, NodeState, Rung

pytestmark = pytest.mark.looptime(start=LAUNCHED_S)
SETTINGS = PollSettings(delay_s=90, interval_s=5, attempts=4)
END_S = 110
NO_THREAD = "no thread is left to log in with"


@dataclass
class Starved(Field):
    """Nodes of which some cannot be asked: `lacks(index, moment)` says so at the begin of an attempt."""

    lacks: Callable[[int, float], bool] = lambda _index, _moment: True

    async def ask(self, index: int) -> AttemptResult:
        if self.lacks(index, since_launch_s()):
            self.attempts.append((index, since_launch_s()))
            return AttemptResult(time_s(), Rung.BANNER, NodeReason.ERROR, NO_THREAD, not_made=True)
        return await super().ask(index)


@pytest.mark.parametrize("lacks_from_s", [0, 92, 105])
@pytest.mark.parametrize("back_s", [111, 200, END_S + UNASKED_S - 6])
async def test_a_node_that_can_be_asked_again_only_after_the_end_is_up(lacks_from_s: float, back_s: float) -> None:
    asked = Starved(
        lambda _i, t: UP if t > 100 else DOWN,  # what it answered before was not yet its last word
        lacks=lambda _i, t: lacks_from_s <= t < back_s,
    )
    run = poller(3, asked, SETTINGS, exited_s=50)
    await run.run()
    assert states(run) == ["up"] * 3


async def test_a_node_that_is_down_is_given_up_once_it_could_be_asked() -> None:
    asked = Starved(lambda _i, _t: DOWN, lacks=lambda _i, t: 92 < t < 140)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert (states(run), run.polls[0].reason, since_launch_s()) == (["failed"], NodeReason.REFUSED, 140.01)


@pytest.mark.parametrize("interval_s", [5, 200])
async def test_who_cannot_be_asked_at_all_is_left_open_after_a_bounded_time(interval_s: float) -> None:
    asked = Starved(lambda _i, _t: DOWN, lacks=lambda _i, _t: True)
    run = poller(3, asked, PollSettings(delay_s=90, interval_s=interval_s, attempts=4))
    await run.run()
    assert states(run) == ["waiting"] * 3
    assert [(poll.reason, poll.message) for poll in run.polls] == [(NodeReason.ERROR, NO_THREAD)] * 3
    end_s = 90 + 4 * interval_s
    assert end_s + UNASKED_S <= since_launch_s() <= end_s + max(UNASKED_S, 2 * interval_s) + 2 * interval_s


async def test_who_answered_before_the_exit_and_cannot_be_asked_after_it_is_neither_up_nor_down() -> None:
    asked = Starved(lambda _i, _t: UP, lacks=lambda _i, _t: True)
    run = poller(1, asked, SETTINGS, polls=[NodePoll(state=NodeState.UP, attempts=1)])
    await run.run()
    assert (states(run), run.polls[0].confirmed, run.polls[0].reason) == (["waiting"], False, NodeReason.ERROR)


async def test_some_that_cannot_be_asked_do_not_change_what_holds_for_the_others() -> None:
    asked = Starved(lambda i, _t: UP if i == 0 else DOWN, lacks=lambda i, _t: i == 2)
    run = poller(3, asked, SETTINGS)
    await run.run()
    assert states(run) == ["up", "failed", "waiting"]


async def test_what_was_not_asked_is_no_attempt_and_no_reason_of_the_node() -> None:
    asked = Starved(lambda _i, _t: DOWN, lacks=lambda _i, t: t < 97)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert (run.polls[0].attempts, run.polls[0].reasons) == (2, {NodeReason.REFUSED: 2})


async def test_checks_in_a_row_go_on_after_one_that_could_not_be_made() -> None:
    settings = SETTINGS.model_copy(update={"stable_checks": 3})
    asked = Starved(lambda _i, _t: UP, lacks=lambda _i, t: 97 < t < 125)
    run = poller(1, asked, settings)
    await run.run()
    assert (states(run), since_launch_s()) == (["up"], 125.01)


async def test_a_pause_meanwhile_ends_all_the_same() -> None:
    asked = Starved(lambda _i, _t: DOWN, lacks=lambda _i, _t: True)
    for number in range(30):
        pause_at(150 + 40 * number, 20)
    run = poller(2, asked, SETTINGS)
    await run.run()
    assert states(run) == ["waiting"] * 2


# --- an attempt that never ends


async def test_an_attempt_that_nothing_ends_is_ended_and_the_node_is_asked_again() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, t: HANGS if t < 95 else 0.01, limit_s=HANGS)
    run = poller(1, asked, SETTINGS)
    await run.run()
    assert (states(run), len(asked.of(0)), asked.cancelled) == (["up"], 2, 1)
    assert since_launch_s() <= 90 + ASK_LIMIT_S + SETTINGS.interval_s


async def test_attempts_that_nothing_ends_end_the_run_all_the_same_and_blame_nobody() -> None:
    asked = Field(lambda _i, _t: UP, takes_s=lambda _i, _t: HANGS, limit_s=HANGS)
    run = poller(2, asked, SETTINGS)
    await run.run()
    assert [(poll.state, poll.reason) for poll in run.polls] == [("waiting", NodeReason.ERROR)] * 2
    assert since_launch_s() <= 2 * (90 + ASK_LIMIT_S)
