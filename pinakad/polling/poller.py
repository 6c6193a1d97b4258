"""Polls each node at its own offset in each slot, until all are up or polling has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import ROUND_EACH_S, Attention, NodePoll, old_confirmations
from pinakad.polling.schedule import SPREAD, TICK_S, Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, NodeState
from pinakad.times import Instant

Ask = Callable[[int], Awaitable[AttemptResult]]
"""Makes one attempt at the node with this index; the attempt ends by its own limits."""
_PAUSE_CHECK_S = 0.5
ASK_LIMIT_S = 3600.0
"""An attempt that takes longer was not ended by its own limits, which is a bug of pinakad."""


class Poller:
    """Polls nodes until each is up by an attempt that began after the script's exit, or polling is spent.

    The loop's clock is the boot clock. No attempt takes longer than `ask_limit_s`. `on_attempt(index, before, after)`
    is called after each attempt, `on_pause(seconds)` after each pause of the whole process.
    """

    def __init__(
        self,
        baselines: Sequence[Baseline],
        polls: Sequence[NodePoll],
        settings: PollSettings,
        schedule: Schedule,
        ask: Ask,
        now: Callable[[], Instant],
        on_attempt: Callable[[int, NodePoll, NodePoll], None],
        on_pause: Callable[[float], None] = lambda _seconds: None,
        ask_limit_s: float = ASK_LIMIT_S,
    ) -> None:
        self.polls = list(polls)
        self.schedule = schedule
        self._baselines = baselines
        self._settings = settings
        self._ask = ask
        self._ask_limit_s = ask_limit_s
        self._now = now
        self._on_attempt = on_attempt
        self._on_pause = on_pause
        self._exited = asyncio.Event()
        self._alarm = _Alarm()
        self._attention = Attention(now().boot_s)
        self._busy: set[int] = set()
        self._unsettled = False
        self._progress_s = now().boot_s
        if schedule.exited_s is not None:
            self._exited.set()

    @property
    def idle_since_s(self) -> float | None:
        """Since when no attempt has ended (boot clock); None while none is due: all are up, the script still runs."""
        due = self._exited.is_set() or any(poll.state is not NodeState.UP for poll in self.polls)
        return max(self._progress_s, self.schedule.begins_s) if due else None

    def may_run_ready(self, index: int, result: AttemptResult) -> bool:
        """Return whether the ready_command may be run on the machine that answered for a node with these facts."""
        parts = self._baselines[index], self._settings, self.schedule, self._now()
        return self.polls[index].may_run_ready(result, *parts)

    def script_exited(self, moment_s: float) -> None:
        """Note the script's exit (boot clock): polling now has an end, and each node that is up must answer again."""
        self._progress_s = self._now().boot_s
        self.schedule = replace(self.schedule, exited_s=moment_s)
        self._exited.set()

    def require_reboot(self) -> None:
        """Require a proof of a reboot of each node from now on."""
        self._settings = self._settings.model_copy(update={"reboot": "require"})

    def judge_by_the_record(self) -> None:
        """Let the recorded attempts of each node count as its chances, so that nothing postpones the verdict."""
        self.polls = [poll.on_record() for poll in self.polls]

    async def run(self) -> None:
        """Poll to the end; `polls` then has the final state of each node, see `NodePoll.given_up`.

        Call it before the first slot: a slot that has passed is lost.
        """
        self._progress_s = self._now().boot_s
        self._attention = Attention(self._progress_s)

        async def notice_pauses() -> None:
            while True:
                await asyncio.sleep(_PAUSE_CHECK_S)
                self._notice_pause()

        async with asyncio.TaskGroup() as group:
            attention = group.create_task(notice_pauses(), name="attention")
            await self._poll_until_settled()
            attention.cancel()
        self.polls = [poll.given_up() for poll in self.polls]

    async def _poll_until_settled(self) -> None:
        """Poll until all are up together: a node that came up long before the last one is polled once more."""
        first_s = max(self.schedule.back_s, self._now().boot_s - self.schedule.interval_s)
        slots = _slots(self.schedule, range(len(self.polls)), len(self.polls), first_s)
        self._unsettled = True
        while slots:
            await self._poll_each(slots)
            now_s = self._now().boot_s  # a pause of the process gives a node whose task was cancelled another chance
            polls = enumerate(self.polls)
            left = [index for index, poll in polls if not poll.is_settled(self._settings, self.schedule, now_s)]
            slots = _slots(self.schedule, left, len(self.polls), now_s) or self._last_round()

    def _last_round(self) -> dict[int, float]:
        """Return the slots (index -> seconds) of the nodes to poll again now that all are up: at once, but spread."""
        if not self._unsettled or not all(poll.confirmed for poll in self.polls):
            return {}
        self._unsettled = False
        now_s = self._now().boot_s
        old = old_confirmations(self.polls, self.schedule, now_s)
        spread_s = SPREAD * min(self.schedule.interval_s, ROUND_EACH_S * len(self.polls))
        for index in old:
            self.polls[index] = self.polls[index].doubted()
        return {index: now_s + round(index / len(self.polls) * spread_s / TICK_S) * TICK_S for index in old}

    async def _poll_each(self, slots: Mapping[int, float]) -> None:
        """Poll the nodes of `slots`, each from its slot on, until each is confirmed or has had its chance."""
        async with asyncio.TaskGroup() as group:
            watchers = {
                index: group.create_task(self._watch(index, slot_s), name=f"node {index}")
                for index, slot_s in slots.items()
            }
            end = group.create_task(self._end(watchers), name="end of polling")
            await asyncio.wait(watchers.values())
            end.cancel()

    async def _end(self, watchers: Mapping[int, "asyncio.Task[None]"]) -> None:
        """At the end of polling cancel the task of each node that had its chance; attempts go on unless they stall."""
        await self._exited.wait()
        await asyncio.sleep((self.schedule.ends_s or 0.0) - self._now().boot_s)
        self._notice_pause()
        for index, watcher in watchers.items():
            goes_on = index in self._busy and not self.polls[index].stalled
            if not goes_on and self.polls[index].is_spent(self._settings):
                watcher.cancel()

    async def _watch(self, index: int, slot_s: float) -> None:
        offset, time_s = self.schedule.offset(index, len(self.polls)), asyncio.get_running_loop().time
        while not self.polls[index].is_over(self._settings, self.schedule, time_s()):
            if self.polls[index].state is NodeState.UP and not self._exited.is_set():
                await self._exited.wait()
                slot_s = self.schedule.slot_from(max(time_s(), slot_s), offset)
            await self._alarm.at(slot_s)
            self._notice_pause()
            if slot_s < self.schedule.back_s:  # it passed during a pause: all nodes at once would be a burst
                slot_s = self.schedule.slot_from(time_s(), offset)
                continue
            if self.polls[index].is_over(self._settings, self.schedule, slot_s):
                return
            if self.polls[index].may_use(slot_s, self.schedule):
                await self._attempt(index)
            # half an interval later: a timer may fire slightly early, and no slot is used twice
            slot_s = self.schedule.slot_from(max(time_s(), slot_s + self.schedule.interval_s / 2), offset)

    async def _attempt(self, index: int) -> None:
        self._busy.add(index)
        try:
            result = await self._attempt_within_limit(index)
        finally:
            self._busy.discard(index)
        self._notice_pause()
        if result.reason is not None and result.began_s < self.schedule.back_s:
            return  # the pause may have ended the attempt, not the node: the state before it remains valid
        now, before = self._now(), self.polls[index]
        after = before.after(result, self._baselines[index], self._settings, self.schedule, now)
        self.polls[index], self._progress_s = after, now.boot_s
        self._unsettled |= not after.confirmed
        self._on_attempt(index, before, after)

    async def _attempt_within_limit(self, index: int) -> AttemptResult:
        began_s = self._now().boot_s
        try:
            async with asyncio.timeout(self._ask_limit_s):
                return await self._ask(index)
        except TimeoutError:
            text = f"pinakad did not end the attempt within {self._ask_limit_s:.0f} s"
            return AttemptResult(began_s, None, NodeReason.ERROR, text, not_made=True)

    def _notice_pause(self) -> None:
        """Notice a pause of the process before anything is decided: each task calls this when it wakes up."""
        now_s, before_s = asyncio.get_running_loop().time(), self._attention.checked_s
        self._attention, paused = self._attention.at(now_s, self.schedule.ends_s)
        if paused:
            self.schedule = replace(self.schedule, back_s=now_s)
            self.polls = [poll.away() for poll in self.polls]
            self._unsettled = True
            self._progress_s = now_s
            self._on_pause(now_s - before_s)


class _Alarm:
    """Wakes all nodes of a slot with one timer: one timer for each of thousands of nodes costs a quarter more."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sleepers: dict[float, list[asyncio.Future[None]]] = {}

    async def at(self, moment_s: float) -> None:
        """Sleep until `moment_s` on the loop's clock."""
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


def _slots(schedule: Schedule, indices: Iterable[int], number: int, from_s: float) -> dict[int, float]:
    """Return the first slot (index -> seconds) of each of `indices` from `from_s` on; `number` is that of all nodes."""
    return {index: schedule.slot_from(from_s, schedule.offset(index, number)) for index in indices}
