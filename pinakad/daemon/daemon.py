"""The daemon: woken, it checks what is asked, deploys, answers, and waits.

marker_loop.py   checks the markers at every wake-up, at the latest every RESCAN_S: events are hints
worker.py        serves one request after the other (intake.py, deployment/, release.py; recovery.py after a restart)
heartbeat.py     reports to systemd and to readers that all of this makes progress
node_loop.py     checks node files as they arrive
reach.py         answers questions whether a login at an address works
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pinakad import config
from pinakad.config import Config, ConfigError
from pinakad.daemon.heartbeat import Heartbeat
from pinakad.daemon.marker_loop import Checks, MarkerLoop
from pinakad.daemon.node_loop import NodeLoop
from pinakad.daemon.reach import ReachLoop
from pinakad.daemon.signals import handled
from pinakad.daemon.wiring import Wiring
from pinakad.daemon.worker import RequestWorker
from pinakad.events import Event, fields
from pinakad.linux.clock import here
from pinakad.linux.locks import FolderLock, StateLock
from pinakad.linux.notify import Notifier
from pinakad.linux.watch import Watch
from pinakad.markers.folder import Markers
from pinakad.markers.hints import MarkerHints
from pinakad.markers.names import OURS, REACH
from pinakad.script.still_running import still_running
from pinakad.state.metrics_file import MetricsFile
from pinakad.state.retry import WriteRetry
from pinakad.state.status_file import StatusFile
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles

log = logging.getLogger(__name__)


class Daemon:
    """All parts of a running daemon, and the tasks that drive them. It is made inside the event loop."""

    def __init__(
        self, settings: Config, read: Callable[[], Config], store: Store, held: StateLock, runtime_dir: Path
    ) -> None:
        self.settings = settings
        self._read = read
        self._store = store
        self._notifier = Notifier()
        self._stop = asyncio.Event()
        now_s = asyncio.get_running_loop().time
        troubles = Troubles()
        checks = Checks(now_s)
        write_retry = WriteRetry(checks.wait_for_next, troubles)
        self._status_file = StatusFile(runtime_dir, store, now_s, self._note_phase, troubles)
        self._metrics = MetricsFile(store, lambda: self.settings.metrics.textfile, lambda: self._status_file)
        self._wiring = Wiring(lambda: self.settings, store, self._status_file, write_retry)
        self._node_loop = NodeLoop(self._wiring.nodes, lambda: self.settings.ssh.allow_loopback)
        wake = {settings.markers_dir: checks.woken.set, settings.nodes_dir: self._node_loop.woken.set}
        self._reach = ReachLoop(
            settings.markers_dir, runtime_dir, store.known_hosts, self._wiring.nodes, lambda: self.settings
        )
        self._watch = Watch(store.canary, OURS, wake, {REACH: self._reach.woken.set})
        self._worker = RequestWorker(
            store,
            Markers(settings.markers_dir, troubles),
            lambda: self.settings,
            self._wiring.dependencies_for,
            here,
            write_retry,
            troubles,
            lambda: still_running(store.deployments, in_units=self.settings.script.runner == "systemd"),
        )
        self._marker_lock = FolderLock(settings.markers_dir)
        locks, hints = (held, self._marker_lock), MarkerHints(settings.markers_dir)
        self._checks = checks
        self._marker_loop = MarkerLoop(
            checks, self._worker, self._watch, locks, store, hints, self._status_file, troubles, now_s
        )
        self._heartbeat = Heartbeat(
            self._notifier, self._worker, self._watch, checks, self._status_file, troubles, now_s
        )

    def claim_markers(self) -> None:
        """Lock the marker folder. Raises LockedError where another daemon serves it."""
        self._marker_lock.hold()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; a deployment that runs is left for the next start."""
        with handled({signal.SIGTERM: self._stop.set, signal.SIGINT: self._stop.set, signal.SIGHUP: self._reload}):
            self._watch.start()
            self._watch.ensure()
            self._status_file.publish(self._store.latest())
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = self._start_tasks(group)
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

    def _start_tasks(self, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        return [
            group.create_task(self._marker_loop.run(), name="markers"),
            group.create_task(self._node_loop.run(), name="nodes"),
            group.create_task(self._serve(group), name="serve"),
            group.create_task(self._heartbeat.run(), name="heartbeat"),
            group.create_task(self._metrics.keep_up(), name="metrics"),
            group.create_task(self._wiring.try_key(), name="key"),
            group.create_task(self._reach.run(group), name="reach"),
        ]

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        """Serve one request after the other."""
        requested = self._marker_loop.requested
        await self._worker.pick_up(group, self._heartbeat.ready)
        while True:
            requested.clear()
            self._checks.woken.set()
            await requested.wait()
            await self._worker.serve(group)

    def _note_phase(self) -> None:
        self._heartbeat.due.set()
        self._metrics.due.set()

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
    """Ends the task group, and all tasks that still run in it."""


def _leave() -> NoReturn:
    raise _StoppedError
