"""When was the script launched, how long may it run, and how long is a foreign run waited for?"""

from pinakad.report.document import Report
from pinakad.script.outcome import Ended
from pinakad.times import Instant, Moment

FOREIGN_BEGINS_WITHIN_S = 5.0
"""After the request, somebody else may take this long to start the script, or as long as the delay."""


def launched_s(report: Report, boot_id: str, now: Instant) -> float:
    """Return the moment of the launch on the boot clock of the boot `boot_id`."""
    launch = report.clock.launch or Moment(report.clock.boot_id, 0.0, 0.0)
    return launch.on_clock(boot_id, now)


def script_took_s(report: Report, ended: Ended) -> float:
    """Return how long the script ran, 0 where only a wall clock would show it."""
    clock = report.clock
    if ended.at is None or ended.at.boot_id != clock.boot_id or clock.launched_boot_s is None:
        return 0.0
    return ended.at.boot_s - clock.launched_boot_s


def script_limit_s(report: Report) -> float:
    """Return how long after the launch the script must have ended; somebody else may begin it later than pinakad."""
    settings = report.policy.script
    return settings.timeout_s + (0.0 if settings.launch else foreign_begins_within_s(report))


def foreign_begins_within_s(report: Report) -> float:
    """Return how long after the launch somebody else may still start the script."""
    return max(report.policy.poll.delay_s, FOREIGN_BEGINS_WITHIN_S)
