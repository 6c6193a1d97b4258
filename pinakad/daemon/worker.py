"""Serves one request after the other: taken, run, answered.

The law: a request is written down before anything is done for it (intake.py), its answer is out before it is removed,
and a deployment is over when both are so (release.py). What is written down decides what a restart does (recovery.py).
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress

from pinakad.config import Config
from pinakad.daemon.intake import Intake
from pinakad.daemon.recovery import Recovery
from pinakad.daemon.release import Release
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.deployment import Deployment
from pinakad.events import Event, fields
from pinakad.markers.clock import TICK_S
from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.markers.request import Identity
from pinakad.problems import Code, Spot
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.state.retry import WriteRetry
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import Moment

log = logging.getLogger(__name__)

_PASS_LIMIT_S, _PASS_CHECK_S = 5.0, 0.02
_REQUEST_DOWN = "the request down"


class RequestWorker:
    """Serves the requests of one marker folder from one state folder.

    `dependencies_for(report)` gives a deployment what it needs, `here()` returns this moment, `still_running()` which
    deployments of this state folder have processes that live, and when the first of them began (wall clock).
    """

    def __init__(
        self,
        store: Store,
        markers: Markers,
        config: Callable[[], Config],
        dependencies_for: Callable[[Report], Dependencies],
        here: Callable[[], Moment],
        write_retry: WriteRetry,
        troubles: Troubles,
        still_running: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.running: Deployment | None = None
        self._store = store
        self._markers = markers
        self._dependencies_for = dependencies_for
        self._write_retry = write_retry
        self._busy = True  # until what an earlier daemon left is picked up; then while a request is served
        self._intake = Intake(store, markers, config, here)
        self._release = Release(store, markers, write_retry, troubles, lambda: config().history.keep)
        self._recovery = Recovery(store, markers, self._intake, self._release, write_retry, still_running, self._resume)

    # --- the markers

    def react(self, now_s: float, *, closed: bool, created: bool = False) -> float | None:
        """Cancel the running deployment where somebody asks for it; while none runs, retry what could not be removed.

        Return the seconds until a request may be taken (0: now), None where there is none to take. `now_s`, `closed`
        and `created` as in Settling.settles_in_s. Raises OSError where the marker folder cannot be used.
        """
        if self.running is not None:
            self._react_to_running(self.running)
            return None
        if self._busy:
            return None
        self._release.retry()
        if not self._markers.is_requested() or self._is_served():
            self._write_retry.not_needed(_REQUEST_DOWN)
            return None
        return self._markers.settling.settles_in_s(now_s, closed=closed, created=created)

    def is_queued(self) -> bool:
        """Return whether another request waits for the running deployment to end. Raises OSError."""
        if self.running is None:
            return False
        found = self._markers.read()
        if found is None:
            return False
        served = self._store.served.of(self.running.report.id)
        return found.identity != self._release.serving or (served is not None and served.gone)

    def _is_served(self) -> bool:
        """Return whether the request that is there was served before, and could not be taken out of the way."""
        if not self._store.served.entries:
            return False
        found = self._markers.read()
        return found is None or self._store.served.serving(found.part()) is not None

    def _react_to_running(self, running: Deployment) -> None:
        if running.report.phase is Phase.FINISHED:
            return
        entry = self._store.served.of(running.report.id)
        came_ns = self._markers.cancel_came_ns()
        since_ns = entry.cancel_since_ns if entry else 0
        if came_ns is not None and came_ns >= since_ns and not running.cancelled.is_set():
            extra = fields(Event.CANCELLED, deployment_id=running.report.id)
            log.warning("the deployment is cancelled by '%s'", CANCEL, extra=extra)
            running.cancelled.set()
        # asked before: the folder may come back meanwhile
        was_in_its_folder = entry is not None and self._release.is_in_its_folder(entry)
        if was_in_its_folder and not self._markers.is_requested():
            self._note_gone(running)

    def _note_gone(self, running: Deployment) -> None:
        """Note that somebody else removed the request: a request there now is another one, even if it is the same file.

        That the request is gone is durable before it is noted: a power cut would bring it back as another one.
        """
        entry = self._store.served.of(running.report.id)
        if entry is None or entry.gone or not self._release.is_in_its_folder(entry):
            return
        self._markers.make_durable()
        self._store.served.note(entry.id, gone=True)
        text = "the request was removed by somebody else while it is served; the run goes on to its answer"
        log.warning(text, extra=fields(Event.REQUEST_PROBLEM, deployment_id=running.report.id))
        running.warn(Spot(REQUEST).warning(Code.REQUEST_REMOVED, text))

    # --- one run

    async def pick_up(self, group: asyncio.TaskGroup, picked_up: Callable[[], None]) -> None:
        """Go on with what an earlier daemon left; `picked_up` is called once all that is left is known."""
        self._release.use(group)
        await self._recovery.pick_up(picked_up)
        self._busy = False

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Take the request that is there, run its deployment and answer it."""
        self._release.use(group)
        self._busy = True
        try:
            await self._serve()
        finally:
            self._busy = False

    async def _serve(self) -> None:
        try:
            request = self._markers.read()
            report = self._intake.take(request, self._release.ended_ns) if request is not None else None
        except OSError as error:
            await self._write_retry.wait_out(_REQUEST_DOWN, error)
            return
        self._write_retry.succeeded(_REQUEST_DOWN)
        if report is None:
            return
        text = "the request is taken as deployment %s"
        log.info(text, report.id, extra=fields(Event.REQUEST_TAKEN, deployment_id=report.id))
        deployment = Deployment(report, self._dependencies_for(report))
        with deployment.launch_prepared():
            await self._prepare_markers(report)
            await self._run(deployment)

    async def _resume(self, report: Report) -> None:
        """Run a deployment that an earlier daemon left, from its phase on, and answer it."""
        if report.phase is Phase.VALIDATING:
            await self._prepare_markers(report)
        await self._run(Deployment(report, self._dependencies_for(report), resumed=True))

    async def _prepare_markers(self, report: Report) -> None:
        """Remove what answered an earlier request, and let the time of this request pass."""
        await self._write_retry.until_done("the marker folder", self._markers.answers.remove_all)
        await self._let_time_pass(report)

    async def _let_time_pass(self, report: Report) -> None:
        """Wait until a touch of the request would leave another time than it has.

        A touch after the node files are read must not be mistaken for the request that is served, however coarse the
        times of the file system are: where it counts seconds, the node files are read in the next second.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + _PASS_LIMIT_S
        with suppress(OSError):  # the folder is away: nobody can touch anything in it
            while not self._markers.clock.has_passed(report.request.mtime_ns):
                if loop.time() > ends_s:
                    text = "the times of files in '%s' do not go on: a touch in the next moments may not be seen"
                    log.warning(text, self._markers.folder, extra=fields(Event.REQUEST_PROBLEM))
                    return
                soon = loop.time() < ends_s - _PASS_LIMIT_S + 2 * TICK_S
                await asyncio.sleep(TICK_S / 4 if soon else _PASS_CHECK_S)

    async def _run(self, deployment: Deployment) -> None:
        """Run a deployment to its end and answer it."""
        self._release.serving = Identity.of(deployment.report.request)
        self.running = deployment
        with suppress(OSError):  # a cancel that is there already counts before anything is launched
            self._react_to_running(deployment)
        try:
            finished = await deployment.run()
            await self._release.answer(finished)
        finally:
            self.running = None
