"""The daemon: wake, see what is asked, deploy, answer, sleep.

watch -> look -> serve
  |       |        `- one deployment after the other (desk.py, deployment.py)
  |       `- every wake-up looks at the markers again, at the latest every RESCAN_S
  `- events are hints; the heart tells systemd that all of this makes progress
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from pinakad import __version__, config
from pinakad.config import Config, ConfigError
from pinakad.daemon.wiring import Wiring
from pinakad.daemon.worker import RequestWorker
from pinakad.events import Event, fields
from pinakad.linux.clock import here
from pinakad.linux.locks import FolderLock, LockedError, StateLock
from pinakad.linux.notify import Notifier, watchdog_interval_s
from pinakad.linux.waiting import wait_until_set
from pinakad.linux.watch import Watch
from pinakad.markers.folder import Markers
from pinakad.markers.hints import MarkerHints
from pinakad.markers.names import OURS, REQUEST
from pinakad.problems import cause_of
from pinakad.report.wording import status_line
from pinakad.script.still_running import still_running
from pinakad.state.metrics_file import MetricsFile
from pinakad.state.retry import WriteRetry
from pinakad.state.status_file import StatusFile
from pinakad.state.store import Store

log = logging.getLogger(__name__)

RESCAN_S = 5.0
NODES_RESCAN_S = 30.0
NODES_QUIET_S = 0.2
STATUS_IDLE_S = 5.0


class Daemon:
    """All parts of a running daemon, and the loops that drive them."""

    def __init__(
        self, settings: Config, read: Callable[[], Config], store: Store, held: StateLock, runtime_dir: Path
    ) -> None:
        self.settings = settings
        self._read = read
        self._store = store
        self._state_lock = held
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        self._woken, self._nodes_woken = asyncio.Event(), asyncio.Event()
        self._looked, self._requested = asyncio.Event(), asyncio.Event()
        self._looked_s = self._time()
        self._blindness = ""
        self._homelessness = ""
        self._phase_changed = asyncio.Event()
        self._metrics = MetricsFile(store, lambda: self.settings.metrics.textfile, lambda: self._status_file)
        self._status_file = StatusFile(runtime_dir, store, self._time, self._note_phase)
        self._write_retry = WriteRetry(self._wait_for_a_look)
        self._markers = Markers(settings.markers_dir)
        self._hints = MarkerHints(settings.markers_dir)
        self._marker_lock = FolderLock(settings.markers_dir)
        self._wiring = Wiring(lambda: self.settings, store, self._status_file, self._write_retry)
        self._worker = RequestWorker(
            store,
            self._markers,
            lambda: self.settings,
            self._wiring.dependencies_for,
            here,
            self._write_retry,
            lambda: still_running(store.deployments, in_units=self.settings.script.runner == "systemd"),
        )
        self._watch = Watch(
            store.canary,
            OURS,
            {settings.markers_dir: self._woken.set, settings.nodes_dir: self._nodes_woken.set},
        )

    def claim_markers(self) -> None:
        """Lock the marker folder. Raises LockedError where another daemon serves it."""
        self._marker_lock.hold()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; a deployment that runs is left for the next start."""
        with self._signals():
            self._watch.start()
            self._watch.ensure()
            self._status_file.tell(self._store.latest())
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [
                        group.create_task(self._look_on(), name="look"),
                        group.create_task(self._look_at_nodes(), name="nodes"),
                        group.create_task(self._serve(group), name="serve"),
                        group.create_task(self._beat(), name="heart"),
                        group.create_task(self._metrics.keep_up(), name="metrics"),
                    ]
                    await self._stop.wait()
                    self._notifier.stopping()
                    log.info("pinakad stops; what runs is left as it is", extra=fields(Event.STOPPING))
                    for task in tasks:
                        task.cancel()
                    _leave()
            except* _StoppedError:
                pass
            finally:
                self._wiring.close()
                self._watch.stop()
                self._metrics.close()

    # --- the loops

    async def _look_on(self) -> None:
        """Look at the markers whenever something may have happened, and every RESCAN_S anyway."""
        while True:
            self._woken.clear()
            self._keep_state()
            wait_s = min(self._look(), RESCAN_S)
            self._looked_s = self._time()
            self._looked.set()
            self._looked = asyncio.Event()
            await wait_until_set(self._woken, wait_s)

    def _keep_state(self) -> None:
        """Make again what somebody has removed of the state folder: else no request is taken, nobody knows of us."""
        try:
            self._store.make_sure()
            self._state_lock.hold()
        except (OSError, LockedError) as error:
            text = f"cannot keep the state folder: {cause_of(error)}"
            if text != self._homelessness:
                log.error("%s; it is tried again", text, extra=fields(Event.STORAGE))  # noqa: TRY400 - no bug of ours
            self._homelessness = text
        else:
            self._homelessness = ""

    def _look(self) -> float:
        """Look once; return the seconds until the next look is worth it."""
        closed, created = self._watch.was_closed(REQUEST), self._watch.is_created(REQUEST)
        self._watch.ensure()
        try:
            self._marker_lock.hold()
            due_s = self._worker.look(self._time(), closed=closed, created=created)
            self._status_file.queued = self._worker.is_queued()
            self._hints.tell()
        except (OSError, LockedError) as error:
            self._note_blindness(f"cannot look at the markers: {cause_of(error)}")  # the watch names the folder
            return RESCAN_S
        self._note_blindness("")
        if due_s == 0.0:
            self._requested.set()
        return due_s or RESCAN_S

    def _note_blindness(self, text: str) -> None:
        """Say once that the marker folder cannot be used, and once that it can again."""
        if text and text != self._blindness:
            log.error("%s; it is tried again", text, extra=fields(Event.REQUEST_PROBLEM))
        elif self._blindness and not text:
            log.info("the markers can be looked at again", extra=fields(Event.REQUEST_PROBLEM))
        self._blindness = text

    async def _look_at_nodes(self) -> None:
        """Look at node files as they arrive: a broken one is told long before it is needed."""
        while True:
            self._nodes_woken.clear()
            try:
                loopback = self.settings.ssh.allow_loopback
                await asyncio.to_thread(self._wiring.nodes.scan, allow_loopback=loopback)
                self._wiring.nodes.tell_problems()
            except OSError as error:
                log.debug("cannot look at the node files: %s", error)
            if await wait_until_set(self._nodes_woken, NODES_RESCAN_S):
                await asyncio.sleep(NODES_QUIET_S)

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        """Serve one request after the other."""
        await self._worker.pick_up(group, self._ready)
        while True:
            self._requested.clear()
            self._woken.set()
            await self._requested.wait()
            await self._worker.serve(group)

    async def _beat(self) -> None:
        """Tell systemd and readers how it stands, and that the loops make progress."""
        interval_s = min(watchdog_interval_s() or STATUS_IDLE_S, STATUS_IDLE_S)
        while True:
            self._phase_changed.clear()
            running = self._worker.running
            self._status_file.events_trusted = self._watch.trusted
            self._status_file.tell(None, progress=False)
            self._notifier.status(self._status())
            if self._is_sound():
                self._notifier.alive()
            await wait_until_set(self._phase_changed, min(interval_s, 1.0) if running else interval_s)

    def _note_phase(self) -> None:
        self._phase_changed.set()
        self._metrics.due.set()

    # --- how it stands

    def _ready(self) -> None:
        log.info("pinakad %s is ready", __version__, extra=fields(Event.STARTED))
        self._notifier.status(self._status())
        self._notifier.ready()

    def _status(self) -> str:
        running = self._worker.running
        line = status_line(self._status_file.latest, running.schedule if running else None, self._time(), time.time())
        trouble = (
            self._blindness
            or self._homelessness
            or self._write_retry.text
            or self._worker.trouble
            or self._status_file.trouble
        )
        line = f"{trouble}; {line}" if trouble else line
        return line if self._watch.trusted else f"{line}; watching by rescans: {self._watch.trouble}"

    def _is_sound(self) -> bool:
        """Tell whether the looks and the polling make progress; if not, systemd shall restart us."""
        now_s, running = self._time(), self._worker.running
        if now_s - self._looked_s > 4 * RESCAN_S:
            return False
        polled_s = running.idle_since_s if running else None
        if running is None or polled_s is None:
            return True
        policy = running.report.policy
        return now_s - polled_s < 4 * policy.poll.interval_s + policy.ssh.attempt_limit_s + 60

    async def _wait_for_a_look(self) -> None:
        await self._looked.wait()

    def _time(self) -> float:
        return asyncio.get_running_loop().time()

    # --- signals

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self._stop.set, signal.SIGINT: self._stop.set, signal.SIGHUP: self._reload}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def _reload(self) -> None:
        """Read the configuration again; one that cannot be used leaves the old one in force."""
        self._notifier.reloading()
        try:
            new = self._read()
            config.require_same_paths(self.settings, new)
        except ConfigError as error:
            text = "the configuration is not changed: %s"
            log.error(text, error, extra=fields(Event.RELOAD_REFUSED))  # noqa: TRY400 - the operator's, no bug
        else:
            self.settings = new
            logging.getLogger().setLevel(new.log.level.upper())
            log.info("the configuration was read again", extra=fields(Event.RELOADED))
        self._notifier.ready()


class _StoppedError(Exception):
    """Ends the task group, and with it whatever still runs in it."""


def _leave() -> NoReturn:
    raise _StoppedError
