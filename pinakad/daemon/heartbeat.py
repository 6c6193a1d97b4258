"""Does the daemon make progress? systemd's watchdog and STATUS= line, and the daemon's part of status.json.

The sentence of the STATUS= line is made by report/wording.py; a trouble is put before it.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from pinakad import __version__
from pinakad.daemon.marker_loop import RESCAN_S, Checks
from pinakad.daemon.worker import RequestWorker
from pinakad.events import Event, fields
from pinakad.linux.notify import Notifier, watchdog_interval_s
from pinakad.linux.waiting import wait_until_set
from pinakad.linux.watch import Watch
from pinakad.report.wording import status_line
from pinakad.state.status_file import StatusFile
from pinakad.state.troubles import Troubles

log = logging.getLogger(__name__)

IDLE_S, RUNNING_S = 5.0, 1.0
"""Between two beats, at most, while nothing runs and while a deployment runs."""


class Heartbeat:
    """Beats while the loops make progress; without a beat, systemd restarts the daemon. `due` asks for a beat now."""

    def __init__(
        self,
        notifier: Notifier,
        worker: RequestWorker,
        watch: Watch,
        checks: Checks,
        status_file: StatusFile,
        troubles: Troubles,
        now_s: Callable[[], float],
    ) -> None:
        self.due = asyncio.Event()
        self._notifier = notifier
        self._worker = worker
        self._watch = watch
        self._checks = checks
        self._status_file = status_file
        self._troubles = troubles
        self._now_s = now_s

    async def run(self) -> None:
        """Beat again and again, for ever."""
        interval_s = min(watchdog_interval_s() or IDLE_S, IDLE_S)
        while True:
            self.due.clear()
            running = self._worker.running
            self._status_file.events_trusted = self._watch.trusted
            self._status_file.publish(None)
            self._notifier.status(self._status())
            if self._is_sound():
                self._notifier.alive()
            await wait_until_set(self.due, min(interval_s, RUNNING_S) if running else interval_s)

    def ready(self) -> None:
        """Report to systemd that the daemon serves."""
        log.info("pinakad %s is ready", __version__, extra=fields(Event.STARTED))
        self._notifier.status(self._status())
        self._notifier.ready()

    def _status(self) -> str:
        running = self._worker.running
        shown, schedule = self._status_file, running.schedule if running else None
        line = status_line(shown.latest, shown.overview.slowest, schedule, self._now_s(), time.time())
        line = f"{self._troubles.text}; {line}" if self._troubles.text else line
        return line if self._watch.trusted else f"{line}; watching by rescans: {self._watch.trouble}"

    def _is_sound(self) -> bool:
        """Return whether the marker checks and the polling make progress; if not, systemd restarts the daemon."""
        now_s, running = self._now_s(), self._worker.running
        if now_s - self._checks.last_s > 4 * RESCAN_S:
            return False
        polled_s = running.idle_since_s if running else None
        if running is None or polled_s is None:
            return True
        policy = running.report.policy
        return now_s - polled_s < 4 * policy.poll.interval_s + policy.ssh.attempt_limit_s + 60
