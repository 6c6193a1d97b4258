"""What do the crash tests share: a daemon that dies where it is told to, and what must be true in the end?"""

import json
import os
import signal

from paths import PROGRAMS
from world import World

from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome

ORDINARY = ["-m", "pinakad"]
CRASHING = [str(PROGRAMS / "crashing_pinakad.py")]


def crash(world: World, at: str) -> None:
    """Start a daemon that kills itself there, and wait until it has."""
    begin_to_crash(world, at)
    await_crash(world)


def begin_to_crash(world: World, at: str) -> None:
    """Start a daemon that will kill itself there."""
    world.program = CRASHING
    world.start(ready=False, CRASH_AT=at)


def await_crash(world: World) -> None:
    """Wait until the daemon has killed itself."""
    code = world.wait(world.daemon_code, "the daemon's death")
    assert code == -signal.SIGKILL, world.log_text()


def restart(world: World) -> None:
    """Start the daemon as it is."""
    world.program = ORDINARY
    world.start()


def assert_served_once(world: World, report: Report, outcome: Outcome, exit_code: int | None) -> None:
    """One run, one answer, the right one; its exit status, and its deadlines from the one launch there was."""
    world.wait_idle()
    assert report.outcome is outcome, report.message
    assert world.runs() == world.deployments() == [report.id]
    assert world.report() == report
    assert report.script is not None
    assert report.script.exit_code == exit_code
    assert_old_deadline(world, report)
    name = "deployment_completed" if outcome is Outcome.COMPLETED else "deployment_failed"
    assert visible(world) == [name]
    assert not (world.markers / ".pinakad-answer").exists()


def assert_old_deadline(world: World, report: Report) -> None:
    """Deadlines count from the launch, and that was when `started` says, whoever has read it since."""
    started = json.loads((world.folder(report.id) / "started").read_bytes())
    assert (report.clock.boot_id, report.clock.launched_boot_s) == (started["boot_id"], started["boot_s"])


def visible(world: World) -> list[str]:
    """Return the names in the marker folder that are for others."""
    return sorted(name for name in os.listdir(world.markers) if not name.startswith(".pinakad-"))  # noqa: PTH208


def await_clean(world: World) -> None:
    """Wait until nothing of ours is left in the marker folder."""
    world.wait(lambda: not list(world.markers.glob(".pinakad-*")), "a marker folder without drafts and asides")
