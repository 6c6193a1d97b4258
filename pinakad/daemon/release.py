"""Answers a finished deployment and removes its request, so that no touch is lost and nothing is served twice.

The protocol; each step is durable before the next one begins:
1. The answer is put into the marker folder.
2. The request is compared with the served one, and renamed to `.pinakad-request-<id>`: it is set aside.
3. `answered` is written into the deployment's folder; then the request's entry in served.json is over.
4. For LATE_TOUCH_S a process that still has the file open may touch it; that is a new request, so it is put back.
5. The file is removed; then the entry in served.json is forgotten.
A request that cannot be set aside is stuck: its entry says that it is answered, so that it is never served again, and
step 2 is tried again at each check of the markers. Where the marker folder is another one now (moved, not mounted), the
entry stays until the request's own folder is back; that gets the latest answer, too, and steps 2 to 5 follow.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.request import Identity
from pinakad.printable import cause_of
from pinakad.problems import Code, Spot
from pinakad.report.document import Report
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.pruning import prune
from pinakad.state.retry import WriteRetry
from pinakad.state.served import FolderIdentity, ServedRequest, served_request
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles

LATE_TOUCH_S = 2.0
_CHECK_S = 0.2
_SLOW_CHECK_S = 5.0


class Release:
    """The end of every request of one marker folder. `keep()` is how many deployments are kept."""

    def __init__(
        self, store: Store, markers: Markers, write_retry: WriteRetry, troubles: Troubles, keep: Callable[[], int]
    ) -> None:
        self.serving: Identity | None = None  # from the taking of a request until the request is out of the way
        self.ended_ns = 0  # when the last run of this process ended, by the clock of the markers' files
        self._store = store
        self._served = store.served
        self._markers = markers
        self._write_retry = write_retry
        self._troubles = troubles
        self._keep = keep
        self._group: asyncio.TaskGroup | None = None
        self._answered: tuple[str, FolderIdentity] | None = None  # which answer was written last, and into which folder

    def use(self, group: asyncio.TaskGroup) -> None:
        """Wait for late touches in tasks of this group; before, nothing is released."""
        self._group = group

    # --- the answer

    async def answer(self, report: Report) -> None:
        """Answer a finished deployment, then let its request go; both wait until there is room for the answer."""

        def conclude() -> None:
            nonlocal report
            report = self._put_answer(report)
            self.ended_ns = self._markers.clock.now_ns()
            with crash_point(CrashPoint.CANCEL_REMOVED):
                self._markers.remove_cancel()

        await self._write_retry.until_done("the answer", conclude)
        self.let_go(self._served.of(report.id) or served_request(report.id, report.request, None))
        with suppress(OSError):
            prune(self._store, self._keep(), spare=self._markers.asides.ids())

    def _put_answer(self, report: Report) -> Report:
        """Write the answer; where something in its place cannot be removed, the report says so instead."""
        folder = self._markers.identity()
        if self._markers.answers.put(report):
            self._answered = (report.id, folder)
        elif not any(problem.code is Code.ANSWER_BLOCKED for problem in report.problems):
            text = "; ".join(self._markers.removal.obstacles.values())
            problem = Spot("").warning(Code.ANSWER_BLOCKED, f"the answer cannot be put in its place: {text}")
            report = report.model_copy(update={"problems": [*report.problems, problem]})
            self._store.save(report)
        return report

    def _answer_again(self) -> None:
        """Put the latest answer into a folder that came back without it."""
        newest = next(reversed(self._store.ids()), None)
        if self._answered == (newest, self._markers.identity()):
            return  # the report need not be read: with thousands of nodes that takes long
        latest = self._store.latest()
        if latest is None or not latest.is_finished or self._answered == (latest.id, self._markers.identity()):
            return
        self._put_answer(latest)

    # --- the request

    def retry(self) -> None:
        """Try again what could not be removed, or was in a folder that was not there. Raises OSError."""
        for entry in list(self._served.entries):
            if not entry.is_over and self._group is not None:
                self.let_go(entry)
        if self._markers.removal.obstacles:  # somebody may have made room for the answer, or let the old one be removed
            self._answered = None
            self._answer_again()

    def let_go(self, entry: ServedRequest) -> None:
        """Take an answered request out of the way and write down that nothing is left to do, or note why not."""
        stuck = f"served request {entry.id}"
        try:
            if not self._take_out_of_the_way(entry):
                self._served.note(entry.id, answered=True)
                self._troubles.forget(stuck)
                return
            if self._store.is_recorded(entry.id):
                self._store.mark_answered(entry.id)
            self.forget(entry.id)
            if self._served.of(entry.id) is not None or entry.id in self._markers.asides.ids():
                self.await_late_touches(entry.id, Identity.of(entry))
        except OSError as error:
            with suppress(OSError):
                self._served.note(entry.id, answered=True)
            text = f"cannot remove the served request '{REQUEST}': {cause_of(error)}; it is not served again"
            self._troubles.note(stuck, text)
        else:
            self.serving = None
            self._troubles.clear(stuck)

    def forget(self, identifier: str) -> None:
        """Forget a request that is gone. Raises OSError.

        While the request is set aside, its entry stays: the deployment's record may be removed meanwhile, and then only
        the entry has the request's identity.
        """
        if identifier in self._markers.asides.ids():
            self._served.note(identifier, gone=True, answered=True)
        else:
            self._served.forget(identifier)

    def is_in_its_folder(self, entry: ServedRequest) -> bool:
        """Return whether the marker folder is the one that the request was in. Raises OSError."""
        return entry.folder is None or self._markers.identity().is_same(entry.folder)

    def _take_out_of_the_way(self, entry: ServedRequest) -> bool:
        """Set the request aside where it is; return whether it is out of the way.

        The answer is in the same folder first, and written again where that folder came back between two checks.
        """
        if entry.gone or entry.id in self._markers.asides.ids():  # a request that is there is another one
            return True
        was_in_its_folder = self.is_in_its_folder(entry)  # asked before: the folder may come back meanwhile
        found = self._markers.read()
        if found is None or not entry.is_for(found.part()):
            # the process that removed the request did not sync: a power cut must not bring the request back
            self._markers.make_durable()
            return was_in_its_folder and self.is_in_its_folder(entry)
        self._answer_again()
        taken = self._markers.asides.set_aside(Identity.of(entry), entry.id)
        self._answer_again()
        return taken or (was_in_its_folder and self.is_in_its_folder(entry))

    # --- late touches

    def await_late_touches(self, identifier: str, served: Identity | None) -> None:
        """Begin to wait for late touches of a request that was set aside."""
        if self._group is not None:
            late = self._release_when_untouched(identifier, served)
            self._group.create_task(late, name=f"late touches of {identifier}")

    async def _release_when_untouched(self, identifier: str, served: Identity | None) -> None:
        """A process that still has the file open may touch it; that is a new request, so the file is put back."""
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + LATE_TOUCH_S
        while True:
            if self.release(identifier, served, keep=loop.time() < ends_s):
                return
            # a file that cannot be removed holds nobody up
            await asyncio.sleep(_CHECK_S if loop.time() < ends_s + LATE_TOUCH_S else _SLOW_CHECK_S)

    def release(self, identifier: str, served: Identity | None, *, keep: bool) -> bool:
        """Remove a request that was set aside, or put it back where it was touched; return whether it is gone.

        `served` None: its identity is not known, so that it is put back. `keep`: an untouched one stays for now.
        """
        with suppress(OSError):
            if self._markers.asides.release(identifier, served, keep=keep, running=self.serving):
                entry = self._served.of(identifier)
                if entry is not None and entry.is_over:
                    self._served.forget(identifier)
                return True
        return False
