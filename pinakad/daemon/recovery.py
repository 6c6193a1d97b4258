"""After a restart, what is done about the requests that an earlier daemon had taken?

The reports, `started` and `exit` (script/) decide: an unfinished deployment goes on in its phase, a finished one is
answered, one whose report is lost or unreadable fails where its script was started, and is served anew where it
certainly was not. A script that may have been started is never started again.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import NamedTuple

from pinakad.daemon.intake import Intake
from pinakad.daemon.release import Release
from pinakad.events import Event, fields
from pinakad.markers.folder import Markers
from pinakad.markers.request import Identity
from pinakad.report.document import Report
from pinakad.report.request import RequestPart
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.script.launch_record import forbid_start, was_started
from pinakad.state.pruning import remove_unbegun
from pinakad.state.retry import WriteRetry
from pinakad.state.served import ServedRequest, served_request
from pinakad.state.store import StateUnreadableError, Store

log = logging.getLogger(__name__)

_UNKNOWN_REQUEST = RequestPart(id=None, inode=0, mtime_ns=0, size=0, sha256=sha256(b"").hexdigest(), nodes=None)
_STATE = "the state folder"


class _Left(NamedTuple):
    """What an earlier daemon left, oldest first.

    `asides`: which requests are set aside, and the identity of each as it was served, None where it is not known.
    `unanswered`: deployments, with their reports, None where one cannot be read. `lost`: requests that were taken and
    whose deployments' records are gone.
    """

    asides: list[tuple[str, Identity | None]]
    unanswered: list[tuple[str, Report | None]]
    lost: list[ServedRequest]


class Recovery:
    """Brings to its end what an earlier daemon left.

    `resume(report)` runs a deployment from its phase on and answers it; `still_running()` returns which deployments
    of this state folder have living processes, and when the first of these began (wall clock).
    """

    def __init__(
        self,
        store: Store,
        markers: Markers,
        intake: Intake,
        release: Release,
        write_retry: WriteRetry,
        still_running: Callable[[], Mapping[str, float]],
        resume: Callable[[Report], Awaitable[None]],
    ) -> None:
        self._store = store
        self._markers = markers
        self._intake = intake
        self._release = release
        self._write_retry = write_retry
        self._still_running = still_running
        self._resume = resume

    async def pick_up(self, picked_up: Callable[[], None]) -> None:
        """Go on with what an earlier daemon left; `picked_up` is called once all that is left is known."""
        left = await self._write_retry.until_done("the marker folder", self._collect)
        unfinished = [report for _, report in left.unanswered if report is not None and not report.is_finished]
        self._release.serving = Identity.of(unfinished[0].request) if unfinished else None
        for identifier, served in left.asides:
            if served is None:
                self._release.release(identifier, None, keep=False)
            self._release.await_late_touches(identifier, served)
        picked_up()
        for identifier, report in left.unanswered:
            await self._go_on(identifier, report)
        for entry in left.lost:
            await self._answer_lost(entry)

    # --- what is left

    def _collect(self) -> _Left:
        """Make durable and tidy up what the earlier daemon left, and return what is still to be done about it."""
        self._markers.make_durable()  # the earlier daemon's last changes there, before anything depends on them
        self._markers.clock.remove_probes()
        self._forget_answered()
        asides = self._asides()
        remove_unbegun(self._store)
        unanswered = [(identifier, self._load(identifier)) for identifier in self._store.unanswered()]
        self._ensure_served_file()
        return _Left(asides, unanswered, self._lost())

    def _forget_answered(self) -> None:
        """Forget the requests that were over before the earlier daemon could forget them."""
        for entry in list(self._store.served.entries):
            if self._store.is_answered(entry.id) or entry.is_over:
                self._release.forget(entry.id)

    def _asides(self) -> list[tuple[str, Identity | None]]:
        known: list[tuple[str, Identity | None]] = []
        for identifier in self._markers.asides.ids():
            report = self._load(identifier) if self._store.is_recorded(identifier) else None
            served = report.request if report else self._store.served.of(identifier)
            known.append((identifier, Identity.of(served) if served else None))
        return known

    def _ensure_served_file(self) -> None:
        """Make served.json where it is lost. Processes that still run then show whether the request there is served.

        A request that was there before the first process of a deployment began is the one that this deployment serves.
        """
        served = self._store.served
        if not served.is_new:
            return
        request = self._markers.read()
        if request is not None:
            for identifier, began_wall_s in self._still_running().items():
                if request.requested_wall_s <= began_wall_s and not self._store.is_recorded(identifier):
                    served.remember(served_request(identifier, request.part(), None))
                    break
        if served.is_new:
            served.write_again()

    def _lost(self) -> list[ServedRequest]:
        unanswered = [entry for entry in self._store.served.entries if not entry.answered]
        return [entry for entry in unanswered if not self._store.is_recorded(entry.id)]

    def _load(self, identifier: str) -> Report | None:
        try:
            return self._store.load(identifier)
        except StateUnreadableError as error:
            log.error("%s", error, extra=fields(Event.STORAGE, deployment_id=identifier))  # noqa: TRY400 - no bug
            return None

    # --- what is done about it

    async def _go_on(self, identifier: str, report: Report | None) -> None:
        """Bring to its end a deployment that was not answered."""
        if report is None:
            await self._answer_unreadable(identifier)
        elif not report.is_finished:
            text = "deployment %s goes on in phase %s"
            log.warning(text, identifier, report.phase, extra=fields(Event.RESUMED, deployment_id=identifier))
            if self._store.served.of(identifier) is None:  # the power went before the request was remembered
                entry = served_request(identifier, report.request, None)
                await self._write_retry.until_done(_STATE, lambda: self._store.served.remember(entry))
            await self._resume(report)
        elif self._store.is_latest(identifier):
            await self._release.answer(report)
        else:  # a later one was answered since
            self._release.let_go(self._store.served.of(identifier) or served_request(identifier, report.request, None))

    async def _answer_unreadable(self, identifier: str) -> None:
        """Fail a deployment whose report cannot be read; where its script was not started, its request is served anew.

        From here on the script cannot be started any more: whether it was, is certain only then.
        """
        await self._write_retry.until_done(_STATE, lambda: forbid_start(self._store.folder(identifier)))
        if not was_started(self._store.folder(identifier)):
            await self._close(identifier)
            return
        text = f"the report of deployment {identifier} cannot be read, and its script was started; its folder is kept"
        entry = self._store.served.of(identifier)
        finished = await self._write_retry.until_done(_STATE, lambda: self._unreadable_report(entry, text))
        await self._close(identifier)
        await self._release.answer(finished)

    async def _close(self, identifier: str) -> None:
        await self._write_retry.until_done(_STATE, lambda: self._store.mark_answered(identifier))
        await self._write_retry.until_done(_STATE, lambda: self._store.served.forget(identifier))

    async def _answer_lost(self, entry: ServedRequest) -> None:
        """Fail a deployment whose record is gone: its script may have been started, so it is not started again.

        Processes of the script that still run are left alone: they may be in the middle of installing a machine.
        """
        if self._markers.answers.answered_id() == entry.id:  # only the note that all is done was missing
            self._release.let_go(entry)
            return
        alive = entry.id in self._still_running()
        runs = "; what it started still runs" if alive else ""
        text = (
            f"the record of deployment {entry.id} was removed by somebody else{runs}; its script is not started again"
        )
        log.error("%s", text, extra=fields(Event.STORAGE, deployment_id=entry.id))
        if self._store.is_latest(entry.id):
            finished = await self._write_retry.until_done(_STATE, lambda: self._unreadable_report(entry, text))
            await self._write_retry.until_done(_STATE, lambda: self._store.served.forget(entry.id))
            await self._release.answer(finished)
        else:  # a later one was answered since
            self._release.let_go(entry)

    def _unreadable_report(self, entry: ServedRequest | None, text: str) -> Report:
        """Write and return the finished report of a deployment whose own report is lost, under a new id.

        Its request is that of `entry`, or else the request that is there. Raises OSError.
        """
        request = self._markers.read()
        if entry is not None and (request is None or not entry.is_for(request.part())):
            part, requested_wall_s = entry.part(), entry.mtime_ns / 1e9
        else:
            part, requested_wall_s = (request.part(), request.requested_wall_s) if request else (_UNKNOWN_REQUEST, 0.0)
        report = self._intake.new_report(self._store.begin(), part, requested_wall_s)
        finished = report.model_copy(
            update={
                "phase": Phase.FINISHED,
                "outcome": Outcome.FAILED,
                "reason": Reason.STATE_UNREADABLE,
                "message": text,
                "finished_at": report.started_at,
            }
        )
        self._store.save(finished)
        folder = entry.folder if entry is not None else None
        self._store.served.remember(served_request(finished.id, part, folder))
        return finished
