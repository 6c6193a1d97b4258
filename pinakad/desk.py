"""One request after the other: taken, served, answered, and after a crash picked up again.

The law: a request is written down before anything is done for it, its answer is out before it goes, and a deployment
is over when both are so (`answered`). What is written down decides what a restart does.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from socket import gethostname
from typing import TypeVar

from pinakad import __version__
from pinakad.config import Config
from pinakad.deployment import Deployment
from pinakad.events import Event, fields
from pinakad.outside import Moment, Outside
from pinakad.patience import Patience
from pinakad.problems import Code, Spot, cause_of
from pinakad.report import ClockPart, Outcome, Phase, Reason, Report, RequestPart, policy_of
from pinakad.requests import CANCEL, REQUEST, TICK_S, Identity, Markers, Request
from pinakad.steps import Step
from pinakad.store import StateUnreadableError, Store
from pinakad.timestamps import rfc3339

log = logging.getLogger(__name__)

LATE_TOUCH_S = 2.0
_LOOK_S = 0.2
_Written = TypeVar("_Written")
_NOBODY = RequestPart(id=None, inode=0, mtime_ns=0, size=0, sha256=sha256(b"").hexdigest(), nodes=None)


class Desk:
    """Serves the requests of one marker folder from one state folder.

    `outside_for(report)` gives a deployment what it needs, `here()` tells this moment.
    """

    def __init__(
        self,
        store: Store,
        markers: Markers,
        config: Callable[[], Config],
        outside_for: Callable[[Report], Outside],
        here: Callable[[], Moment],
        patience: Patience,
    ) -> None:
        self.running: Deployment | None = None
        self._store = store
        self._markers = markers
        self._config = config
        self._outside_for = outside_for
        self._here = here
        self._patience = patience
        self._served: Identity | None = None  # from the taking until it is out of the way
        self._stuck: tuple[str, Identity] | None = None
        self._gone_told = False

    # --- what is asked

    def look(self, now_s: float, *, closed: bool) -> float | None:
        """Look at the markers, and cancel what is to be cancelled.

        Return the seconds until a request may be taken (0: now), None where there is none to take. Raises OSError
        where the folder cannot be used.
        """
        if self.running is not None:
            self._look_at_running(self.running)
            return None
        if self._stuck is not None and self._is_still_stuck(*self._stuck):
            return None
        if not self._markers.is_requested():
            return None
        return self._markers.has_settled(now_s, closed=closed)

    def is_queued(self) -> bool:
        """Tell whether another request waits for the running deployment to end."""
        if self.running is None:
            return False
        found = self._markers.look()
        return found is not None and found.identity != Identity.of(self.running.report.request)

    def _look_at_running(self, running: Deployment) -> None:
        if running.report.phase is Phase.FINISHED:
            return
        if self._markers.cancel_asked() and not running.cancelled.is_set():
            extra = fields(Event.CANCELLED, deployment_id=running.report.id)
            log.warning("the deployment is cancelled by '%s'", CANCEL, extra=extra)
            running.cancelled.set()
        if not self._gone_told and not self._markers.is_requested():
            self._gone_told = True
            text = "the request was removed by somebody else while it is served; the run goes on to its answer"
            log.warning(text, extra=fields(Event.REQUEST_PROBLEM, deployment_id=running.report.id))
            running.warn(Spot(REQUEST).warning(Code.REQUEST_REMOVED, text))

    # --- a request is served

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Take the request that is there, run its deployment and answer it."""
        try:
            request = self._markers.look()
            report = self._take(request) if request is not None else None
        except OSError as error:
            await self._patience.wait_out("the request down", error)
            return
        self._patience.over()
        if request is None or report is None:
            return
        text = "the request is taken as deployment %s"
        log.info(text, report.id, extra=fields(Event.REQUEST_TAKEN, deployment_id=report.id))
        self._served = request.identity
        deployment = Deployment(report, self._outside_for(report))
        deployment.get_ready()
        try:
            await self._clear_answers()
            await _let_pass(request)
            await self._run(deployment, group)
        finally:
            deployment.stand_down()

    def _take(self, request: Request) -> Report:
        """Write the request down, with what is wrong with it, before anything else is looked at.

        The request itself is durable before it is written down: a power cut must not leave another one in its place.
        """
        self._markers.make_durable()
        problems = list(request.problems)
        if self._markers.remove_cancel(Step.CANCEL_CLEARED):
            text = f"'{CANCEL}' was there before the request, and is removed"
            log.warning("%s", text)
            problems.append(Spot(CANCEL).warning(Code.CANCEL_REMOVED, text))
        identifier = self._store.begin()
        try:
            config = self._config()
            if config.poll.ready_command:
                self._store.keep_ready_command(identifier, config.poll.ready_command)
            report = self._new_report(identifier, request.part(), request.requested_wall_s, config)
            report = report.model_copy(update={"problems": problems})
            self._store.save(report, durable=True)
        except OSError:
            self._store.drop(identifier)
            raise
        return report

    def _new_report(self, identifier: str, request: RequestPart, requested_wall_s: float, config: Config) -> Report:
        here = self._here()
        return Report(
            schema=1,
            id=identifier,
            host=gethostname(),
            version=__version__,
            request=request,
            requested_at=rfc3339(min(max(requested_wall_s, 0.0), here.wall_s)),
            started_at=rfc3339(here.wall_s),
            policy=policy_of(config),
            clock=ClockPart(boot_id=here.boot_id, taken_boot_s=here.boot_s),
        )

    async def _clear_answers(self) -> None:
        """Remove what answered an earlier request."""
        while True:
            try:
                self._markers.remove_answers()
            except OSError as error:
                await self._patience.wait_out("the marker folder", error)
            else:
                return

    async def _run(self, deployment: Deployment, group: asyncio.TaskGroup) -> None:
        """Run a deployment to its end and answer it."""
        self._gone_told = False
        self.running = deployment
        try:
            finished = await deployment.run()
            await self._answer(finished, group)
        finally:
            self.running = None

    async def _answer(self, report: Report, group: asyncio.TaskGroup) -> None:
        """Answer a finished deployment, then let its request go; until there is room for the answer, it stays."""
        served = Identity.of(report.request)
        while True:
            try:
                self._markers.answer(report)
                self._markers.remove_cancel(Step.CANCEL_REMOVED)
                break
            except OSError as error:
                await self._patience.wait_out("the answer", error)
        self._patience.over()
        self._let_go(report.id, served)
        with suppress(OSError):
            self._store.prune(self._config().history.keep, spare=self._markers.asides())
        group.create_task(self._await_late_touches(report.id, served), name=f"late touches of {report.id}")

    def _let_go(self, identifier: str, served: Identity) -> bool:
        """Take the served request out of the way and write down that nothing is left to do."""
        try:
            if identifier not in self._markers.asides():  # else it has gone before, and what is there is another one
                self._markers.set_aside(served, identifier)
            self._store.mark_answered(identifier)
            self._served = None
        except OSError as error:
            if self._stuck is None:
                cause = cause_of(error)
                self._patience.say(f"cannot remove the served request '{REQUEST}': {cause}; it is not served again")
            self._stuck = (identifier, served)
            return False
        return True

    def _is_still_stuck(self, identifier: str, served: Identity) -> bool:
        if self._let_go(identifier, served):
            self._stuck = None
            self._patience.over()
            return False
        found = self._markers.look()
        return found is not None and found.identity == served

    async def _await_late_touches(self, identifier: str, served: Identity) -> None:
        """Whoever held the request open while it was set aside may touch it still: then it counts again."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + LATE_TOUCH_S
        while True:
            keep = loop.time() < ends_s
            with suppress(OSError):
                if self._markers.release(identifier, served, keep=keep, running=self._served):
                    return
            await asyncio.sleep(_LOOK_S)

    # --- after a restart

    async def pick_up(self, group: asyncio.TaskGroup, picked_up: Callable[[], None]) -> None:
        """Go on with what an earlier daemon left; `picked_up` is called once it is clear what that is."""
        while True:
            try:
                self._markers.make_durable()  # what an earlier daemon did there last, before it is built upon
                asides = self._known_asides()
                left = [(identifier, self._load(identifier)) for identifier in self._store.unanswered()]
                break
            except OSError as error:
                await self._patience.wait_out("the marker folder", error)
        unfinished = [report for _, report in left if report is not None and not report.is_finished]
        self._served = Identity.of(unfinished[0].request) if unfinished else None
        for identifier, served in asides:
            group.create_task(self._await_late_touches(identifier, served), name=f"late touches of {identifier}")
        picked_up()
        for identifier, report in left:
            if report is None:
                await self._answer_unreadable(identifier, group)
            elif not report.is_finished:
                text = "deployment %s goes on in phase %s"
                log.warning(text, identifier, report.phase, extra=fields(Event.RESUMED, deployment_id=identifier))
                if report.phase is Phase.VALIDATING:
                    await self._clear_answers()
                await self._run(Deployment(report, self._outside_for(report), resumed=True), group)
            elif identifier == self._store.ids()[-1]:
                await self._answer(report, group)
            else:  # a later one was answered since
                await self._insist(lambda: self._store.mark_answered(identifier))  # noqa: B023 - called at once

    def _known_asides(self) -> list[tuple[str, Identity]]:
        """Return which requests are set aside, and what was served of each; one that nobody knows is put back."""
        known = []
        for identifier in self._markers.asides():
            report = self._load(identifier)
            if report is None:
                self._markers.release(identifier, None)
            else:
                known.append((identifier, Identity.of(report.request)))
        return known

    def _load(self, identifier: str) -> Report | None:
        try:
            return self._store.load(identifier)
        except StateUnreadableError as error:
            log.error("%s", error, extra=fields(Event.STORAGE, deployment_id=identifier))  # noqa: TRY400 - no bug
            return None

    async def _answer_unreadable(self, identifier: str, group: asyncio.TaskGroup) -> None:
        """Nobody knows how this run stands. Where its script was started, the request must not start it again."""
        await self._insist(lambda: self._store.forbid_start(identifier))
        if not self._store.was_started(identifier):
            await self._insist(lambda: self._store.mark_answered(identifier))
            return
        finished = await self._insist(lambda: self._unreadable_report(identifier))
        await self._insist(lambda: self._store.mark_answered(identifier))
        await self._answer(finished, group)

    def _unreadable_report(self, identifier: str) -> Report:
        request = self._markers.look()
        part = request.part() if request else _NOBODY
        report = self._new_report(
            self._store.begin(), part, request.requested_wall_s if request else 0.0, self._config()
        )
        text = f"the report of deployment {identifier} cannot be read, and its script was started; its folder is kept"
        finished = report.model_copy(
            update={
                "phase": Phase.FINISHED,
                "outcome": Outcome.FAILED,
                "reason": Reason.STATE_UNREADABLE,
                "message": text,
                "finished_at": report.started_at,
            }
        )
        self._store.save(finished, durable=True)
        return finished

    async def _insist(self, write: Callable[[], _Written]) -> _Written:
        """Do it as soon as the disk lets us."""
        while True:
            try:
                return write()
            except OSError as error:
                await self._patience.wait_out("the state folder", error)


async def _let_pass(request: Request) -> None:
    """A touch after the node files are read must not look like the request that is served."""
    for _ in range(8):  # at most two ticks: a file from the future is not waited for
        if request.is_past():
            return
        await asyncio.sleep(TICK_S / 4)
