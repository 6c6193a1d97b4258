"""When was the launch, how long did the script run, and how long may it run? On one boot, and over a reboot."""

import pytest
from report_example import LAUNCH_S, new_report

from pinakad.config import ScriptSettings
from pinakad.deployment.deadlines import (
    FOREIGN_BEGINS_WITHIN_S,
    foreign_begins_within_s,
    launched_s,
    script_limit_s,
    script_took_s,
)
from pinakad.polling.settings import PollSettings
from pinakad.report.document import Report
from pinakad.report.vocabulary import ScriptState
from pinakad.script.outcome import Ended
from pinakad.times import Instant, Moment, rfc3339

BOOT, OTHER_BOOT = "this boot", "another boot"
NOW = Instant(5000.0, LAUNCH_S + 400.0)


def launched_report(*, launch: bool = True, delay_s: float = 90.0) -> Report:
    """Return a report that was launched at 1000 s of BOOT, LAUNCH_S by the wall clock."""
    report = new_report()
    poll = PollSettings(delay_s=delay_s, reboot="report")
    policy = report.policy.model_copy(update={"script": ScriptSettings(launch=launch, timeout_s=60.0), "poll": poll})
    clock = report.clock.but(boot_id=BOOT, launched_boot_s=1000.0, launched_at=rfc3339(LAUNCH_S))
    return report.model_copy(update={"policy": policy, "clock": clock})


def ended_at(boot_id: str, boot_s: float) -> Ended:
    return Ended(ScriptState.EXITED, code=0, at=Moment(boot_id, boot_s, LAUNCH_S + 30.0))


def test_on_the_same_boot_the_boot_clock_gives_the_launch_whatever_the_wall_clock_did() -> None:
    assert launched_s(launched_report(), BOOT, Instant(5000.0, 0.0)) == 1000.0


def test_over_a_reboot_the_wall_clock_gives_the_launch() -> None:
    assert launched_s(launched_report(), OTHER_BOOT, NOW) == 5000.0 - 400.0


def test_a_wall_clock_that_was_set_back_puts_no_launch_into_the_future() -> None:
    assert launched_s(launched_report(), OTHER_BOOT, Instant(5000.0, LAUNCH_S - 1e6)) == 5000.0


@pytest.mark.parametrize(
    ("ended", "took_s"),
    [
        (ended_at(BOOT, 1030.0), 30.0),
        (ended_at(OTHER_BOOT, 7.0), 0.0),
        (Ended(ScriptState.LOST), 0.0),
    ],
)
def test_only_one_boot_clock_shows_how_long_the_script_ran(ended: Ended, took_s: float) -> None:
    assert script_took_s(launched_report(), ended) == took_s


def test_without_a_moment_of_the_launch_the_script_took_no_time() -> None:
    report = launched_report()
    report = report.but(clock=report.clock.but(launched_boot_s=None))
    assert script_took_s(report, ended_at(BOOT, 1030.0)) == 0.0


@pytest.mark.parametrize(("delay_s", "within_s"), [(0.0, FOREIGN_BEGINS_WITHIN_S), (4.9, 5.0), (90.0, 90.0)])
def test_a_foreign_start_may_take_as_long_as_the_delay_or_a_few_seconds(delay_s: float, within_s: float) -> None:
    report = launched_report(launch=False, delay_s=delay_s)
    assert foreign_begins_within_s(report) == within_s
    assert script_limit_s(report) == 60.0 + within_s


def test_a_script_that_pinakad_launches_has_its_timeout_and_no_more() -> None:
    assert script_limit_s(launched_report()) == 60.0
