"""A beat says that the loops make progress; without progress there is none, and STATUS says what does not work."""

import asyncio
from pathlib import Path

import pytest
from worker_parts import HERE, WorkerParts

from pinakad.daemon.heartbeat import IDLE_S, Heartbeat
from pinakad.daemon.marker_loop import RESCAN_S, Checks
from pinakad.daemon.worker import RequestWorker
from pinakad.linux.notify import Notifier
from pinakad.linux.watch import Watch
from pinakad.state.status_file import StatusFile

pytestmark = pytest.mark.looptime(start=1000)


class Recorder(Notifier):
    """A service manager that never lags behind: a real one's queue is shorter than what virtual time sends at once."""

    def __init__(self) -> None:  # no socket
        self.messages: list[str] = []
        self._status = ""

    def _send(self, state: str) -> None:
        self.messages.append(state)

    def beats(self) -> int:
        """Count the beats."""
        return self.messages.count("WATCHDOG=1")

    def last_status(self) -> str:
        """Return the STATUS line that is shown."""
        return [text for text in self.messages if text.startswith("STATUS=")][-1].removeprefix("STATUS=")


class Beating:
    """A heartbeat of real parts; no loop over the markers runs but what the test does."""

    def __init__(self, root: Path) -> None:
        now_s = asyncio.get_running_loop().time
        self.parts = WorkerParts(root)
        parts = self.parts
        self.checks = Checks(now_s)
        worker = RequestWorker(
            parts.store,
            parts.markers,
            lambda: parts.config,
            lambda report: pytest.fail(report.id),
            lambda: HERE,
            parts.write_retry,
            parts.troubles,
        )
        status_file = StatusFile(root, parts.store, now_s, lambda: None, parts.troubles)
        watch = Watch(parts.store.canary, ".pinakad-", {})
        self.manager = Recorder()
        self.heart = Heartbeat(self.manager, worker, watch, self.checks, status_file, parts.troubles, now_s)


async def run_for(beating: Beating, seconds: float, *, checks: bool) -> None:
    """Let the heart beat so long; `checks`: the markers are checked at every rescan."""
    beats = asyncio.get_running_loop().create_task(beating.heart.run(), name="heartbeat")
    for _ in range(round(seconds / RESCAN_S)):
        await asyncio.sleep(RESCAN_S)
        if checks:
            beating.checks.note_done()
    beats.cancel()
    await asyncio.wait([beats])


async def test_it_beats_as_long_as_the_markers_are_checked(tmp_path: Path) -> None:
    beating = Beating(tmp_path)
    await run_for(beating, 20 * RESCAN_S, checks=True)
    assert beating.manager.beats() >= 20 * RESCAN_S / IDLE_S - 1


async def test_it_stops_where_they_are_not_checked_any_more(tmp_path: Path) -> None:
    beating = Beating(tmp_path)
    await run_for(beating, 20 * RESCAN_S, checks=False)
    assert 0 < beating.manager.beats() <= 4 * RESCAN_S / IDLE_S + 1


async def test_a_trouble_is_in_the_status_line_while_it_lasts(tmp_path: Path) -> None:
    beating = Beating(tmp_path)
    beating.parts.troubles.note("x", "cannot write it")
    await run_for(beating, RESCAN_S, checks=True)
    assert beating.manager.last_status().startswith("cannot write it; ")
    beating.parts.troubles.clear("x")
    await run_for(beating, RESCAN_S, checks=True)
    assert "cannot write it" not in beating.manager.last_status()


async def test_a_wait_for_the_next_check_ends_with_that_check_and_not_with_an_earlier_one(tmp_path: Path) -> None:
    checks = Beating(tmp_path).checks
    waiting = asyncio.get_running_loop().create_task(checks.wait_for_next(), name="waiting")
    await asyncio.sleep(1)
    assert not waiting.done()
    checks.note_done()
    await waiting
    again = asyncio.get_running_loop().create_task(checks.wait_for_next(), name="waiting again")
    await asyncio.sleep(1)
    assert not again.done()
    checks.note_done()
    await again
    assert checks.last_s == asyncio.get_running_loop().time()
