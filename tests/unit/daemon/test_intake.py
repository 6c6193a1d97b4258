"""A request is written down once, whole, before anything is done for it."""

import errno
import os
from pathlib import Path

import pytest
from worker_parts import HERE, WorkerParts

from pinakad.config import Config
from pinakad.daemon.intake import Intake
from pinakad.markers.names import CANCEL
from pinakad.problems import Code
from pinakad.report.vocabulary import Phase


@pytest.fixture
def parts(tmp_path: Path) -> WorkerParts:
    return WorkerParts(tmp_path)


def test_a_taken_request_is_a_deployment_that_is_written_down_and_remembered(parts: WorkerParts) -> None:
    parts.request.write_text('{"request_id": "ticket"}')
    report = parts.take()
    assert (report.phase, report.request.id, report.problems) == (Phase.VALIDATING, "ticket", [])
    assert (report.clock.boot_id, report.clock.taken_boot_s) == (HERE.boot_id, HERE.boot_s)
    again = parts.again().store
    assert again.load(report.id) == report
    (entry,) = again.served.entries
    assert (entry.id, entry.is_for(report.request), entry.is_over) == (report.id, True, False)
    assert parts.request.exists()


def test_the_same_request_is_not_taken_again_and_a_touched_one_is(parts: WorkerParts) -> None:
    parts.request.touch()
    parts.take()
    request = parts.markers.read()
    assert request is not None
    assert parts.intake.take(request, 0) is None
    os.utime(parts.request, ns=(0, 0))
    assert parts.take().request.mtime_ns == 0
    assert len(parts.store.ids()) == 2


def test_an_invalid_request_is_taken_with_its_problems(parts: WorkerParts) -> None:
    parts.request.write_text("all")
    assert [problem.code for problem in parts.take().problems] == [Code.NOT_JSON]


def test_what_cannot_be_written_down_leaves_nothing(parts: WorkerParts) -> None:
    def config() -> Config:
        raise OSError(errno.ENOSPC, "No space left on device")

    parts.request.touch()
    request = parts.markers.read()
    assert request is not None
    with pytest.raises(OSError, match="No space"):
        Intake(parts.store, parts.markers, config, lambda: HERE).take(request, 0)
    assert parts.store.ids() == []
    assert parts.store.served.entries == []


def test_the_ready_command_is_kept_beside_the_report_for_the_daemons_user_alone(parts: WorkerParts) -> None:
    poll = parts.config.poll.model_copy(update={"ready_command": "test -e /secret"})
    parts.config = parts.config.model_copy(update={"poll": poll})
    parts.request.touch()
    report = parts.take()
    kept = parts.store.folder(report.id) / "ready_command"
    assert (kept.read_text(), kept.stat().st_mode & 0o7777) == ("test -e /secret", 0o600)
    assert "secret" not in report.json_text().decode()


@pytest.mark.parametrize(
    ("cancel_comes", "ended", "counts"),
    [
        ("before", "long ago", False),
        ("after", "long ago", True),
        ("after", "between", False),  # it was meant for the run that the request waited for
        ("never", "long ago", False),
    ],
)
def test_a_cancel_counts_if_it_came_after_the_request_and_no_run_ended_since(
    parts: WorkerParts, cancel_comes: str, ended: str, counts: bool
) -> None:
    cancel = parts.folder / CANCEL

    def touch(path: Path) -> None:
        before_ns = parts.markers.clock.now_ns()
        while not parts.markers.clock.has_passed(before_ns):
            pass
        path.touch()

    if cancel_comes == "before":
        touch(cancel)
    touch(parts.request)
    last_end_ns = parts.request.stat().st_ctime_ns if ended == "between" else 0
    if cancel_comes == "after":
        touch(cancel)
    request = parts.markers.read()
    assert request is not None
    report = parts.intake.take(request, last_end_ns)
    assert report is not None
    assert cancel.exists() is counts
    removed = [problem.code for problem in report.problems] == [Code.CANCEL_REMOVED]
    assert removed is (cancel_comes != "never" and not counts)
