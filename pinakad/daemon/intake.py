"""Takes a request: writes it down, with what is wrong with it, before anything is done for it."""

import logging
from collections.abc import Callable
from socket import gethostname

from pinakad import __version__
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL
from pinakad.markers.request import Request
from pinakad.problems import Code, Problem, Spot
from pinakad.report.document import ClockPart, Report, policy_of
from pinakad.report.request import RequestPart
from pinakad.state.crash_points import CrashPoint, crash_point
from pinakad.state.pruning import remove
from pinakad.state.report_file import keep_ready_command
from pinakad.state.served import served_request
from pinakad.state.store import Store
from pinakad.times import Moment, rfc3339

log = logging.getLogger(__name__)


class Intake:
    """Makes deployments of the requests in one marker folder. `here()` returns this moment."""

    def __init__(
        self, store: Store, markers: Markers, config: Callable[[], Config], here: Callable[[], Moment]
    ) -> None:
        self._store = store
        self._markers = markers
        self._config = config
        self._here = here

    def take(self, request: Request, last_end_ns: int) -> Report | None:
        """Write the request down as a new deployment, and return its first report, which is durable.

        None where the request was served before: then it is only to be removed. `last_end_ns`: when the last run ended,
        by the clock of the markers' files. Raises OSError, and nothing is written down then.

        The request itself is durable before it is written down: a power cut must not leave another one in its place.
        """
        if self._store.served.serving(request.part()) is not None:
            return None
        folder = self._markers.identity()
        self._markers.make_durable()
        problems = list(request.problems)
        cancel_since_ns = self._clear_cancel(request, problems, last_end_ns)
        identifier = self._store.begin()
        try:
            config = self._config()
            if config.poll.ready_command:
                keep_ready_command(self._store.folder(identifier), config.poll.ready_command)
            report = self.new_report(identifier, request.part(), request.requested_wall_s)
            report = report.model_copy(update={"problems": problems})
            self._store.save(report)
            self._store.served.remember(served_request(identifier, report.request, folder, cancel_since_ns))
        except OSError:
            remove(self._store, identifier)
            raise
        return report

    def new_report(self, identifier: str, request: RequestPart, requested_wall_s: float) -> Report:
        """Return the first report of a deployment, with the settings that are in force now."""
        here = self._here()
        return Report(
            schema=1,
            id=identifier,
            host=gethostname(),
            version=__version__,
            request=request,
            requested_at=rfc3339(min(max(requested_wall_s, 0.0), here.wall_s)),
            started_at=rfc3339(here.wall_s),
            policy=policy_of(self._config()),
            clock=ClockPart(boot_id=here.boot_id, taken_boot_s=here.boot_s),
        )

    def _clear_cancel(self, request: Request, problems: list[Problem], last_end_ns: int) -> int:
        """Remove a cancel that was there before the request; return since when another one counts (ctime).

        A cancel that came after the request means the request: the daemon was away, or about to take it. But while a
        request waited for the end of a run, a cancel was meant for that run; where both came at the same time, nobody
        knows for which.
        """
        came_ns = self._markers.cancel_came_ns()
        if came_ns is not None and came_ns >= request.came_ns > last_end_ns:
            return 0
        with crash_point(CrashPoint.CANCEL_CLEARED):
            if not self._markers.remove_cancel():
                return 0
        text = f"'{CANCEL}' was there before the request, and is removed"
        log.warning("%s", text)
        problems.append(Spot(CANCEL).warning(Code.CANCEL_REMOVED, text))
        return 0 if not self._markers.keeps_cancel() or came_ns is None else came_ns + 1
