"""One request after the other: taken, served, answered, and after a crash picked up again.

The law: a request is written down before anything is done for it, its answer is out before it goes, and a deployment
is over when both are so (`answered`). What is written down decides what a restart does.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from socket import gethostname
from typing import TypeVar

from pinakad import __version__
from pinakad.config import Config
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.deployment import Deployment
from pinakad.events import Event, fields
from pinakad.markers.folder import TICK_S, Markers
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.markers.request import Identity, Request
from pinakad.problems import Code, Problem, Spot, cause_of
from pinakad.report.document import ClockPart, Report, policy_of
from pinakad.report.request import RequestPart
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.script.launch_record import forbid_start, was_started
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.retry import WriteRetry
from pinakad.state.served import FolderIdentity, ServedRequest, served_request
from pinakad.state.store import StateUnreadableError, Store
from pinakad.times import Moment, rfc3339

log = logging.getLogger(__name__)

LATE_TOUCH_S = 2.0
_LOOK_S = 0.2
_SLOW_LOOK_S = 5.0
_PASS_LIMIT_S, _PASS_LOOK_S = 5.0, 0.02
_Written = TypeVar("_Written")
_NOBODY = RequestPart(id=None, inode=0, mtime_ns=0, size=0, sha256=sha256(b"").hexdigest(), nodes=None)


class RequestWorker:
    """Serves the requests of one marker folder from one state folder.

    `dependencies_for(report)` gives a deployment what it needs, `here()` tells this moment, `still_running()` which
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
        still_running: Callable[[], Mapping[str, float]] = dict,
    ) -> None:
        self.running: Deployment | None = None
        self._store = store
        self._markers = markers
        self._config = config
        self._outside_for = dependencies_for
        self._here = here
        self._write_retry = write_retry
        self._still_running = still_running
        self._served: Identity | None = None  # from the taking until it is out of the way
        self._busy = True  # until what an earlier daemon left is picked up; then while a request is served
        self._stuck = ""
        self._group: asyncio.TaskGroup | None = None  # from the picking up on
        self._ended_ns = 0  # when the last run of this life ended, by the clock of the markers' files
        self._answered: tuple[str, FolderIdentity] | None = None  # which answer was written last, and into which folder

    @property
    def trouble(self) -> str:
        """What stands in the way in the marker folder and cannot be taken away, for people; "" where nothing does."""
        return next(iter(self._markers.obstacles.values()), "")

    # --- what is asked

    def look(self, now_s: float, *, closed: bool, created: bool = False) -> float | None:
        """Look at the markers, and cancel what is to be cancelled.

        Return the seconds until a request may be taken (0: now), None where there is none to take. Raises OSError
        where the folder cannot be used.
        """
        if self.running is not None:
            self._look_at_running(self.running)
            return None
        if self._busy:
            return None
        self._let_go_of_served()
        self._try_obstacles_again()
        if not self._markers.is_requested() or self._is_served():
            return None
        return self._markers.has_settled(now_s, closed=closed, created=created)

    def _is_served(self) -> bool:
        """Tell whether what stands there was served before, and could not be taken out of the way."""
        if not self._store.served.entries:
            return False
        found = self._markers.look()
        return found is None or self._store.served.serving(found.part()) is not None

    def is_queued(self) -> bool:
        """Tell whether another request waits for the running deployment to end."""
        if self.running is None:
            return False
        found = self._markers.look()
        if found is None:
            return False
        served = self._store.served.of(self.running.report.id)
        return found.identity != self._served or (served is not None and served.gone)

    def _look_at_running(self, running: Deployment) -> None:
        if running.report.phase is Phase.FINISHED:
            return
        came_ns = self._markers.cancel_came_ns()
        if came_ns is not None and came_ns >= self._cancel_since_ns(running) and not running.cancelled.is_set():
            extra = fields(Event.CANCELLED, deployment_id=running.report.id)
            log.warning("the deployment is cancelled by '%s'", CANCEL, extra=extra)
            running.cancelled.set()
        entry = self._store.served.of(running.report.id)
        was_in_its_folder = entry is not None and self._is_in_its_folder(entry)  # asked before: it may just come back
        if was_in_its_folder and not self._markers.is_requested():
            self._note_gone(running)

    def _cancel_since_ns(self, running: Deployment) -> int:
        entry = self._store.served.of(running.report.id)
        return entry.cancel_since_ns if entry else 0

    def _note_gone(self, running: Deployment) -> None:
        """Somebody else has removed the request: what comes there now is another one, even if it is the same file.

        That it is gone is durable before it is noted: a power cut would bring it back as another one.
        """
        entry = self._store.served.of(running.report.id)
        if entry is None or entry.gone or not self._is_in_its_folder(entry):
            return
        self._markers.make_durable()
        self._store.served.note(entry.id, gone=True)
        text = "the request was removed by somebody else while it is served; the run goes on to its answer"
        log.warning(text, extra=fields(Event.REQUEST_PROBLEM, deployment_id=running.report.id))
        running.warn(Spot(REQUEST).warning(Code.REQUEST_REMOVED, text))

    def _is_in_its_folder(self, entry: ServedRequest) -> bool:
        """Tell whether the markers are the folder that the request was in. Raises OSError."""
        return entry.folder is None or self._markers.place().is_same(entry.folder)

    # --- a request is served

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Take the request that is there, run its deployment and answer it."""
        self._busy = True
        try:
            await self._serve(group)
        finally:
            self._busy = False

    async def _serve(self, group: asyncio.TaskGroup) -> None:
        try:
            request = self._markers.look()
            report = self._take(request) if request is not None else None
        except OSError as error:
            await self._write_retry.wait_out("the request down", error)
            return
        self._write_retry.over()
        if request is None or report is None:
            return
        text = "the request is taken as deployment %s"
        log.info(text, report.id, extra=fields(Event.REQUEST_TAKEN, deployment_id=report.id))
        deployment = Deployment(report, self._outside_for(report))
        deployment.get_ready()
        try:
            await self._clear_answers()
            await self._let_pass(report)
            await self._run(deployment, group)
        finally:
            deployment.stand_down()

    def _take(self, request: Request) -> Report | None:
        """Write the request down, with what is wrong with it, before anything else is looked at.

        The request itself is durable before it is written down: a power cut must not leave another one in its place.
        None where it was served before: then it only goes.
        """
        if self._store.served.serving(request.part()) is not None:
            return None
        place = self._markers.place()
        self._markers.make_durable()
        problems = list(request.problems)
        cancel_since_ns = self._clear_cancel(request, problems)
        identifier = self._store.begin()
        try:
            config = self._config()
            if config.poll.ready_command:
                self._store.keep_ready_command(identifier, config.poll.ready_command)
            report = self._new_report(identifier, request.part(), request.requested_wall_s, config)
            report = report.model_copy(update={"problems": problems})
            self._store.save(report, durable=True)
            entry = served_request(identifier, report.request, place, cancel_since_ns)
            self._store.served.remember(entry)
        except OSError:
            self._store.drop(identifier)
            raise
        return report

    def _clear_cancel(self, request: Request, problems: list[Problem]) -> int:
        """Remove a cancel that was there before the request; return since when another one counts (ctime).

        One that came after the request means it: the daemon was away, or about to take it. That of a request which
        waited for the end of a run was meant for that run, and nobody knows which where both came at the same time.
        """
        came_ns = self._markers.cancel_came_ns()
        if came_ns is not None and came_ns >= request.came_ns > self._ended_ns:
            return 0
        with crash_point(CrashPoint.CANCEL_CLEARED):
            if not self._markers.remove_cancel():
                return 0
        text = f"'{CANCEL}' was there before the request, and is removed"
        log.warning("%s", text)
        problems.append(Spot(CANCEL).warning(Code.CANCEL_REMOVED, text))
        return 0 if CANCEL not in self._markers.obstacles or came_ns is None else came_ns + 1

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
                await self._write_retry.wait_out("the marker folder", error)
            else:
                return

    async def _let_pass(self, report: Report) -> None:
        """A touch after the node files are read must not look like the request that is served, however coarse the
        times of the file system are: where it counts seconds, the node files are read in the next one.
        """
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + _PASS_LIMIT_S
        with suppress(OSError):  # the folder is away: nobody can touch anything in it
            while not self._markers.has_passed(report.request.mtime_ns):
                if loop.time() > ends_s:
                    text = "the times of files in '%s' do not go on: a touch in the next moments may not be seen"
                    log.warning(text, self._markers.folder, extra=fields(Event.REQUEST_PROBLEM))
                    return
                await asyncio.sleep(TICK_S / 4 if loop.time() < ends_s - _PASS_LIMIT_S + 2 * TICK_S else _PASS_LOOK_S)

    async def _run(self, deployment: Deployment, group: asyncio.TaskGroup) -> None:
        """Run a deployment to its end and answer it."""
        self._served = Identity.of(deployment.report.request)
        self.running = deployment
        with suppress(OSError):  # a cancel that is there already counts before anything is launched
            self._look_at_running(deployment)
        try:
            finished = await deployment.run()
            await self._answer(finished, group)
        finally:
            self.running = None

    async def _answer(self, report: Report, group: asyncio.TaskGroup) -> None:
        """Answer a finished deployment, then let its request go; until there is room for the answer, it stays."""
        while True:
            try:
                report = self._put_answer(report)
                self._ended_ns = self._markers.now_ns()
                with crash_point(CrashPoint.CANCEL_REMOVED):
                    self._markers.remove_cancel()
                break
            except OSError as error:
                await self._write_retry.wait_out("the answer", error)
        self._write_retry.over()
        self._let_go(self._store.served.of(report.id) or served_request(report.id, report.request, None), group)
        with suppress(OSError):
            self._store.prune(self._config().history.keep, spare=self._markers.asides())

    def _put_answer(self, report: Report) -> Report:
        """Write the answer; where something in its place cannot be taken away, the report says so instead."""
        place = self._markers.place()
        if self._markers.answer(report):
            self._answered = (report.id, place)
        elif not any(problem.code is Code.ANSWER_BLOCKED for problem in report.problems):
            text = "; ".join(self._markers.obstacles.values())
            problem = Spot("").warning(Code.ANSWER_BLOCKED, f"the answer cannot be put in its place: {text}")
            report = report.model_copy(update={"problems": [*report.problems, problem]})
            self._store.save(report, durable=True)
        return report

    def _let_go(self, entry: ServedRequest, group: asyncio.TaskGroup) -> None:
        """Take the served request out of the way and write down that nothing is left to do, or say why not.

        Where the markers are another folder now (moved, not mounted), it may still be in the one that it was in: then
        it stays remembered, and goes when it comes back.
        """
        try:
            if not self._is_out_of_the_way(entry):
                self._store.served.note(entry.id, answered=True)
                return
            if self._store.is_recorded(entry.id):
                self._store.mark_answered(entry.id)
            self._forget(entry.id)
            if self._store.served.of(entry.id) is not None or entry.id in self._markers.asides():
                late = self._await_late_touches(entry.id, Identity.of(entry))
                group.create_task(late, name=f"late touches of {entry.id}")
        except OSError as error:
            self._say_stuck(entry, error)
        else:
            self._served = None
            if entry.id == self._stuck:
                self._stuck = ""
                self._write_retry.over()

    def _forget(self, identifier: str) -> None:
        """Forget what was served, once it is not even set aside: what is, is known by it if its record is removed."""
        if identifier in self._markers.asides():
            self._store.served.note(identifier, gone=True, answered=True)
        else:
            self._store.served.forget(identifier)

    def _is_out_of_the_way(self, entry: ServedRequest) -> bool:
        """Take it away where it stands. The answer is in the same folder first, and again where that came back just
        between our looks.
        """
        if entry.gone or entry.id in self._markers.asides():  # what is there is another one
            return True
        was_in_its_folder = self._is_in_its_folder(entry)  # asked before: the folder may come back while we look
        found = self._markers.look()
        if found is None or not entry.is_for(found.part()):
            self._markers.make_durable()  # whoever took it away did not: a power cut must not bring it back
            return was_in_its_folder and self._is_in_its_folder(entry)
        self._answer_again()
        taken = self._markers.set_aside(Identity.of(entry), entry.id)
        self._answer_again()
        return taken or (was_in_its_folder and self._is_in_its_folder(entry))

    def _say_stuck(self, entry: ServedRequest, error: OSError) -> None:
        with suppress(OSError):
            self._store.served.note(entry.id, answered=True)
        if not self._stuck:
            cause = cause_of(error)
            self._write_retry.say(f"cannot remove the served request '{REQUEST}': {cause}; it is not served again")
        self._stuck = entry.id

    def _let_go_of_served(self) -> None:
        """Try again to take away what could not be taken away, or was in a folder that was not there."""
        for entry in list(self._store.served.entries):
            if not entry.is_over and self._group is not None:
                self._let_go(entry, self._group)

    def _try_obstacles_again(self) -> None:
        """Somebody may have made room for the answer, or let the old one be removed."""
        if self._markers.obstacles:
            self._answered = None
            self._answer_again()

    def _answer_again(self) -> None:
        """Put the latest answer into a folder that came back without it."""
        latest = self._store.latest()
        if latest is None or not latest.is_finished or self._answered == (latest.id, self._markers.place()):
            return
        self._put_answer(latest)

    async def _await_late_touches(self, identifier: str, served: Identity | None) -> None:
        """Whoever held the request open while it was set aside may touch it still: then it counts again."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + LATE_TOUCH_S
        while True:
            if self._release(identifier, served, keep=loop.time() < ends_s):
                return
            # one that cannot be handled holds nobody up
            await asyncio.sleep(_LOOK_S if loop.time() < ends_s + LATE_TOUCH_S else _SLOW_LOOK_S)

    def _release(self, identifier: str, served: Identity | None, *, keep: bool) -> bool:
        with suppress(OSError):
            if self._markers.release(identifier, served, keep=keep, running=self._served):
                entry = self._store.served.of(identifier)
                if entry is not None and entry.is_over:
                    self._store.served.forget(identifier)
                return True
        return False

    # --- after a restart

    async def pick_up(self, group: asyncio.TaskGroup, picked_up: Callable[[], None]) -> None:
        """Go on with what an earlier daemon left; `picked_up` is called once it is clear what that is."""
        self._group = group
        while True:
            try:
                self._markers.make_durable()  # what an earlier daemon did there last, before it is built upon
                self._markers.remove_probes()
                self._forget_answered()
                asides = self._known_asides()
                left = [(identifier, self._load(identifier)) for identifier in self._store.unanswered()]
                lost = self._lost()
                break
            except OSError as error:
                await self._write_retry.wait_out("the marker folder", error)
        unfinished = [report for _, report in left if report is not None and not report.is_finished]
        self._served = Identity.of(unfinished[0].request) if unfinished else None
        for identifier, served in asides:
            if served is None:
                self._release(identifier, None, keep=False)
            group.create_task(self._await_late_touches(identifier, served), name=f"late touches of {identifier}")
        picked_up()
        for identifier, report in left:
            await self._go_on(identifier, report, group)
        for entry in lost:
            await self._answer_lost(entry, group)
        self._busy = False

    async def _go_on(self, identifier: str, report: Report | None, group: asyncio.TaskGroup) -> None:
        """Bring to its end what an earlier daemon left."""
        if report is None:
            await self._answer_unreadable(identifier, group)
        elif not report.is_finished:
            text = "deployment %s goes on in phase %s"
            log.warning(text, identifier, report.phase, extra=fields(Event.RESUMED, deployment_id=identifier))
            if self._store.served.of(identifier) is None:  # the power went before it was remembered
                entry = served_request(identifier, report.request, None)
                await self._insist(lambda: self._store.served.remember(entry))
            if report.phase is Phase.VALIDATING:
                await self._clear_answers()
                await self._let_pass(report)
            await self._run(Deployment(report, self._outside_for(report), resumed=True), group)
        elif self._store.is_latest(identifier):
            await self._answer(report, group)
        else:  # a later one was answered since
            entry = self._store.served.of(identifier) or served_request(identifier, report.request, None)
            self._let_go(entry, group)

    def _forget_answered(self) -> None:
        """Forget what was over before the last daemon could."""
        for entry in list(self._store.served.entries):
            if self._store.is_answered(entry.id) or entry.is_over:
                self._forget(entry.id)

    def _lost(self) -> list[ServedRequest]:
        """Return the requests that were taken and whose deployments' records are gone.

        Where even the list of these is gone, what still runs tells: a request that was there before it began is the
        one that it serves.
        """
        served = self._store.served
        request = self._markers.look() if served.is_new else None
        if request is not None:
            for identifier, began_wall_s in self._still_running().items():
                if request.requested_wall_s <= began_wall_s and not self._store.is_recorded(identifier):
                    served.remember(served_request(identifier, request.part(), None))
                    break
        if served.is_new:
            served.write_again()
        unanswered = [entry for entry in served.entries if not entry.answered]
        return [entry for entry in unanswered if not self._store.is_recorded(entry.id)]

    def _known_asides(self) -> list[tuple[str, Identity | None]]:
        """Return which requests are set aside, and what was served of each; None for one that nobody knows."""
        known: list[tuple[str, Identity | None]] = []
        for identifier in self._markers.asides():
            report = self._load(identifier) if self._store.is_recorded(identifier) else None
            served = report.request if report else self._store.served.of(identifier)
            known.append((identifier, Identity.of(served) if served else None))
        return known

    def _load(self, identifier: str) -> Report | None:
        try:
            return self._store.load(identifier)
        except StateUnreadableError as error:
            log.error("%s", error, extra=fields(Event.STORAGE, deployment_id=identifier))  # noqa: TRY400 - no bug
            return None

    async def _answer_unreadable(self, identifier: str, group: asyncio.TaskGroup) -> None:
        """Nobody knows how this run stands. Where its script was started, the request must not start it again."""
        await self._insist(lambda: forbid_start(self._store.folder(identifier)))
        if not was_started(self._store.folder(identifier)):  # its request is served anew
            await self._insist(lambda: self._store.mark_answered(identifier))
            await self._insist(lambda: self._store.served.forget(identifier))
            return
        text = f"the report of deployment {identifier} cannot be read, and its script was started; its folder is kept"
        entry = self._store.served.of(identifier)
        finished = await self._insist(lambda: self._unreadable_report(entry, text))
        await self._insist(lambda: self._store.mark_answered(identifier))
        await self._insist(lambda: self._store.served.forget(identifier))
        await self._answer(finished, group)

    async def _answer_lost(self, entry: ServedRequest, group: asyncio.TaskGroup) -> None:
        """Nobody knows whether the script of this run was started, so it is not started again.

        What it started and still runs is left alone: it may be in the middle of installing a machine.
        """
        if self._markers.answered_id() == entry.id:  # all was done but to remember it
            self._let_go(entry, group)
            return
        alive = entry.id in self._still_running()
        runs = "; what it started still runs" if alive else ""
        text = (
            f"the record of deployment {entry.id} was removed by somebody else{runs}; its script is not started again"
        )
        log.error("%s", text, extra=fields(Event.STORAGE, deployment_id=entry.id))
        if self._store.is_latest(entry.id):
            finished = await self._insist(lambda: self._unreadable_report(entry, text))
            await self._insist(lambda: self._store.served.forget(entry.id))
            await self._answer(finished, group)
        else:  # a later one was answered since
            self._let_go(entry, group)

    def _unreadable_report(self, entry: ServedRequest | None, text: str) -> Report:
        """Make the finished report of a run whose own is lost. `entry` tells its request, else what stands there."""
        request = self._markers.look()
        if entry is not None and (request is None or not entry.is_for(request.part())):
            part, requested_wall_s = entry.part(), entry.mtime_ns / 1e9
        else:
            part, requested_wall_s = (request.part(), request.requested_wall_s) if request else (_NOBODY, 0.0)
        report = self._new_report(self._store.begin(), part, requested_wall_s, self._config())
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
        folder = entry.folder if entry is not None else None
        self._store.served.remember(served_request(finished.id, part, folder))
        return finished

    async def _insist(self, write: Callable[[], _Written]) -> _Written:
        """Do it as soon as the disk lets us."""
        while True:
            try:
                return write()
            except OSError as error:
                await self._write_retry.wait_out("the state folder", error)
