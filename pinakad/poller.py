"""Every node on its own place of the grid: who is asked when, until all are up or polling is spent?"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from pinakad.polling import Grid, NodePoll, NodeState, Now, PollSettings, Probe, Subject

Ask = Callable[[int, float | None], Awaitable[Probe]]
"""One attempt at the node with this index, cut at this moment (seconds on the loop's clock; None: not known yet)."""


class Poller:
    """Polls nodes until each is up by an attempt that began after the script's exit, or polling is spent.

    The loop's clock is the boot clock. `told(index, before, after)` hears of every attempt.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        polls: Sequence[NodePoll],
        settings: PollSettings,
        grid: Grid,
        ask: Ask,
        now: Callable[[], Now],
        told: Callable[[int, NodePoll, NodePoll], None],
    ) -> None:
        self.polls = list(polls)
        self.grid = grid
        self._subjects = subjects
        self._settings = settings
        self._ask = ask
        self._now = now
        self._told = told
        self._exited = asyncio.Event()
        self._alarm = _Alarm()
        self._progress_s = now().boot_s
        if grid.exited_s is not None:
            self._exited.set()

    @property
    def idle_since_s(self) -> float | None:
        """Since when no attempt has ended; None while none is due: all are up, and the script still runs."""
        due = self._exited.is_set() or any(poll.state is not NodeState.UP for poll in self.polls)
        return self._progress_s if due else None

    def script_exited(self, moment_s: float) -> None:
        """From now on polling has an end, and who is up already must show it once more."""
        self._progress_s = self._now().boot_s
        self.grid = replace(self.grid, exited_s=moment_s)
        self._exited.set()

    def require_reboot(self) -> None:
        """From now on only a node that has provably rebooted is up."""
        self._settings = self._settings.model_copy(update={"reboot": "require"})

    async def run(self) -> None:
        """Poll to the end; `polls` then has how every node stands, and who is not up has failed."""
        self._progress_s = self._now().boot_s
        async with asyncio.TaskGroup() as group:
            watchers = [group.create_task(self._watch(index), name=f"node {index}") for index in range(len(self.polls))]
            await self._exited.wait()
            await asyncio.wait(watchers, timeout=max(0.0, (self.grid.ends_s or 0) - self._now().boot_s))
            for watcher in watchers:
                watcher.cancel()
        self.polls = [poll.given_up() for poll in self.polls]

    async def _watch(self, index: int) -> None:
        place, time_s = index / len(self.polls), asyncio.get_running_loop().time
        slot_s = self.grid.slot_from(time_s(), place)
        while not self.polls[index].confirmed:
            if self.polls[index].state is NodeState.UP:
                await self._exited.wait()
                slot_s = self.grid.slot_from(max(time_s(), slot_s), place)
            await self._alarm.at(slot_s)
            ends_s = self.grid.ends_s
            if ends_s is not None and slot_s >= ends_s:
                return
            if self.polls[index].may_use(slot_s, self.grid):
                await self._attempt(index, ends_s)
            # half an interval on: a timer may fire a hair early, and a slot must not be used twice
            slot_s = self.grid.slot_from(max(time_s(), slot_s + self.grid.interval_s / 2), place)

    async def _attempt(self, index: int, ends_s: float | None) -> None:
        probe = await self._ask(index, ends_s)
        now, before = self._now(), self.polls[index]
        if probe.stalled and before.reason is not None and ends_s is not None and now.boot_s >= ends_s:
            return  # the common end cut it, not the node: what the node did before still stands
        after = before.after(probe, self._subjects[index], self._settings, self.grid, now)
        self.polls[index], self._progress_s = after, now.boot_s
        self._told(index, before, after)


class _Alarm:
    """Wakes all nodes of a slot with one timer: each with its own would cost thousands of nodes a quarter more."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sleepers: dict[float, list[asyncio.Future[None]]] = {}

    async def at(self, moment_s: float) -> None:
        """Sleep until that moment on the loop's clock."""
        sleeper: asyncio.Future[None] = self._loop.create_future()
        sleepers = self._sleepers.get(moment_s)
        if sleepers is None:
            self._sleepers[moment_s] = sleepers = []
            self._loop.call_at(moment_s, self._ring, moment_s)
        sleepers.append(sleeper)
        await sleeper

    def _ring(self, moment_s: float) -> None:
        for sleeper in self._sleepers.pop(moment_s):
            if not sleeper.done():
                sleeper.set_result(None)
