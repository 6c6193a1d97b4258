"""Nodes by a plan, polled on virtual time by the real poller; the whole process can be paused."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import Poller
from pinakad.polling.schedule import Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.times import Instant

LAUNCHED_S = 1000.0
LIMIT_S = 80.0
UP = (Rung.COMMAND, None)
DOWN = (None, NodeReason.REFUSED)
HANGS = 1e6


def time_s() -> float:
    return asyncio.get_running_loop().time()


def since_launch_s() -> float:
    return round(time_s() - LAUNCHED_S, 3)


def pause(seconds: float) -> None:
    """Let the time pass without anything being done in it, as SIGSTOP or a suspended machine do."""
    loop: Any = asyncio.get_running_loop()
    loop.setup_looptime(start=loop.time() + seconds)


def pause_at(moment_s: float, seconds: float) -> None:
    """Pause at that moment after the launch."""
    asyncio.get_running_loop().call_at(LAUNCHED_S + moment_s, pause, seconds)


@dataclass
class Field:
    """Nodes that answer by what `plan(index, moment)` says when an attempt ends, each attempt `takes_s` long.

    One that would take longer than LIMIT_S is ended there, as every real one is. Moments count from the launch.
    """

    plan: Callable[[int, float], tuple[Rung | None, NodeReason | None]]
    takes_s: Callable[[int, float], float] = lambda _index, _moment: 0.01
    limit_s: float = LIMIT_S
    boot_id: Callable[[int, float], str | None] = lambda _index, _moment: None
    attempts: list[tuple[int, float]] = field(default_factory=list)
    cancelled: int = 0

    async def ask(self, index: int) -> AttemptResult:
        began_s = time_s()
        self.attempts.append((index, since_launch_s()))
        takes_s = self.takes_s(index, since_launch_s())
        ends_s = began_s + min(takes_s, self.limit_s)
        try:
            await asyncio.sleep(ends_s - began_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if time_s() > began_s + self.limit_s - 1e-6:  # also where a pause went past the limit
            return AttemptResult(began_s, None, NodeReason.TIMEOUT, "nothing answered")
        rung, reason = self.plan(index, since_launch_s())
        boot_id = self.boot_id(index, since_launch_s())
        return AttemptResult(began_s, rung, reason, "" if reason is None else str(reason), boot_id=boot_id)

    def of(self, index: int) -> list[float]:
        return [moment for who, moment in self.attempts if who == index]


def poller(
    nodes: int,
    asked: Field,
    settings: PollSettings,
    *,
    exited_s: float | None = 0.0,
    back_s: float = 0.0,
    polls: Sequence[NodePoll] = (),
    was_away: Callable[[float], None] = lambda _seconds: None,
) -> Poller:
    """Return a poller; moments count from the launch, `back_s` 0 means that the daemon was never away."""
    schedule = Schedule(
        LAUNCHED_S,
        settings.delay_s,
        settings.interval_s,
        settings.attempts,
        None if exited_s is None else LAUNCHED_S + exited_s,
        LAUNCHED_S + back_s if back_s else 0.0,
    )
    baselines = [Baseline(f"n{index}") for index in range(nodes)]
    begin = list(polls) or [NodePoll()] * nodes
    return Poller(baselines, begin, settings, schedule, asked.ask, lambda: Instant(time_s(), time_s()), _deaf, was_away)


def _deaf(_index: int, _before: NodePoll, _after: NodePoll) -> None:
    """Hear of an attempt, and do nothing."""


def states(run: Poller) -> list[str]:
    return [poll.state.value for poll in run.polls]
