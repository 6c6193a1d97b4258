"""The worker on real markers and a real store, without a daemon around it: it can be crashed at any step, and goes on.

Time is virtual. What the scripts did is kept over crashes, as their supervisors' files keep it.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import looptime
from report_example import LAUNCH_S
from stage import THIS_BOOT, Stage, StageScript, node_file

from pinakad.config import Config, PathSettings
from pinakad.daemon.worker import RequestWorker
from pinakad.deployment.dependencies import Dependencies
from pinakad.markers.folder import Markers
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.report.document import Report
from pinakad.report.vocabulary import ScriptState
from pinakad.script.outcome import Ended
from pinakad.state.crash_points import CrashPoint
from pinakad.state.retry import WriteRetry
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import Instant, Moment

SCRIPT_S = 1.0
TICK_S = 0.001
CHECK_S = 0.3
_STEPS = logging.getLogger("pinakad.state.crash_points")


class CrashError(BaseException):
    """The process is gone: nobody catches this, and nothing is written after it."""


class _CrashHandler(logging.Handler):
    """Crashes at the n-th time from now that a step begins or is done. Calls `taken` when a request is written down."""

    def __init__(self, taken: Callable[[], None]) -> None:
        super().__init__()
        self.left: int | None = None
        self.before_aside: Callable[[], None] | None = None
        self._taken = taken

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage() == f"begins: {CrashPoint.REQUEST_SET_ASIDE}" and self.before_aside is not None:
            act, self.before_aside = self.before_aside, None
            act()
        if record.getMessage() == f"done: {CrashPoint.SAVED_VALIDATING}":
            self._taken()
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise CrashError


class Events(NamedTuple):
    """What is called: a request is taken (its identity is written down), the script of a deployment is launched."""

    taken: Callable[[], None]
    launched: Callable[[str], None]


class _Script(StageScript):
    def __init__(self, launched: Callable[[], None], now: Callable[[], Instant]) -> None:
        super().__init__(SCRIPT_S, Ended(ScriptState.EXITED, code=7), now=now)
        self._launched = launched

    async def launch(self) -> object:  # type: ignore[override]
        if self.launched is None:
            self._launched()
        return await super().launch()


class RestartedWorker:
    """One state folder and one marker folder, served by one daemon's life after the other.

    `loop`: by default one with virtual time; `closed`: an event says of every request that its writer is done with it.
    """

    def __init__(
        self, root: Path, events: Events, loop: asyncio.AbstractEventLoop | None = None, *, closed: bool = False
    ) -> None:
        self.markers, state = root / "markers", root / "state"
        for folder in (self.markers, state):
            folder.mkdir()
        self.store = Store(state)
        self.store.prepare()
        self.loop = loop or looptime.patch_event_loop(asyncio.new_event_loop())
        self._closed = closed
        self.during_the_reading: Callable[[], None] = lambda: None
        self._events = events
        self._config = Config(paths=PathSettings(work_dir=root), history={"keep": 1})
        self._scripts: dict[str, _Script] = {}
        self._life: asyncio.Task[None] | None = None
        self._crash = _CrashHandler(events.taken)
        _STEPS.addHandler(self._crash)
        _STEPS.setLevel(logging.DEBUG)

    @property
    def lives(self) -> bool:
        """Whether a daemon runs."""
        return self._life is not None

    def now_s(self) -> float:
        """Return the virtual time."""
        return self.loop.time()

    def start(self) -> None:
        """Begin a daemon's life."""
        self._life = self.loop.create_task(self._live(), name="life")

    def crash_at(self, steps: int) -> None:
        """Let the daemon die when so many times a step has begun or was done."""
        self._crash.left = steps

    def just_before_aside(self, act: Callable[[], None]) -> None:
        """Let somebody do something once, between the last check of a served request and its being set aside."""
        self._crash.before_aside = act

    def crash(self) -> None:
        """Let the daemon die where it waits."""
        life, self._life = self._life, None
        self._crash.left = None
        if life is not None:
            life.cancel()
            with suppress(asyncio.CancelledError, CrashError, BaseExceptionGroup):
                self.loop.run_until_complete(life)

    def advance(self, seconds: float) -> None:
        """Let the time pass; a daemon that crashes meanwhile is dead afterwards."""
        self.loop.run_until_complete(asyncio.sleep(seconds))
        if self._life is not None and self._life.done():
            with suppress(asyncio.CancelledError):
                error = self._life.exception()
                if not isinstance(error, BaseExceptionGroup) or error.split(CrashError)[1] is not None:
                    raise RuntimeError("the daemon has a bug") from error
            self._life = None

    def close(self) -> None:
        """End it."""
        self.crash()
        _STEPS.removeHandler(self._crash)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def _live(self) -> None:
        requested, never, troubles = asyncio.Event(), asyncio.Event(), Troubles()
        write_retry = WriteRetry(never.wait, troubles)
        markers = Markers(self.markers, troubles)
        worker = RequestWorker(
            self.store, markers, lambda: self._config, self._dependencies_for, self._here, write_retry, troubles
        )

        async def check_markers() -> None:
            while True:
                due_s = worker.react(self.now_s(), closed=self._closed)
                if due_s == 0.0:
                    requested.set()
                await asyncio.sleep(max(due_s, TICK_S) if due_s else CHECK_S)  # virtual time does not advance for less

        async with asyncio.TaskGroup() as group:
            group.create_task(check_markers(), name="markers")
            await worker.pick_up(group, lambda: None)
            while True:
                requested.clear()
                await requested.wait()
                await worker.serve(group)

    def _here(self) -> Moment:
        return Moment(THIS_BOOT, self.now_s(), LAUNCH_S + self.now_s())

    def _dependencies_for(self, report: Report) -> Dependencies:
        identifier = report.id
        if identifier not in self._scripts:
            launched = lambda: self._events.launched(identifier)  # noqa: E731
            self._scripts[identifier] = _Script(launched, lambda: Instant(self.now_s(), LAUNCH_S + self.now_s()))

        async def save(report: Report, *, must: bool) -> None:
            await asyncio.sleep(0)
            self.store.save(report)

        async def snapshot(files: Mapping[str, bytes]) -> None:
            await asyncio.sleep(0)
            self.store.snapshot(identifier, files)

        async def read_nodes() -> list[ParsedNodeFile]:
            await asyncio.sleep(0)
            files = [node_file(1)]
            self.during_the_reading()
            return files

        stage = Stage(script=self._scripts[identifier])
        return replace(stage.dependencies(), save=save, snapshot=snapshot, read_nodes=read_nodes)
