"""Random deeds of producers, operators, crashes and time against the promise: never lost, never twice."""

import asyncio
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from site_folders import CANCEL, REQUEST
from worker_run import Events, RestartedWorker
from world import ANSWERS

from pinakad.markers.settling import OPEN_LIMIT_S
from pinakad.report.document import Report

FIRST_MTIME_S = 1_700_000_000
SHM = Path("/dev/shm")


class Promise:
    """What the README promises of requests, in ten lines: a touch is owed a run that is launched after it was made, a
    request that is taken was touched since the last one was, and no deployment is launched twice.
    """

    def __init__(self) -> None:
        self.touched_since_taken = self.owed = False
        self.launched: list[str] = []

    def touched(self) -> None:
        self.touched_since_taken = self.owed = True

    def taken_back(self) -> None:
        """The request is removed: what was touched since the last taking asks for nothing any more."""
        self.owed = self.owed and not self.touched_since_taken
        self.touched_since_taken = False

    def taken(self) -> None:
        assert self.touched_since_taken, "served although nobody asked"
        self.touched_since_taken = False

    def launched_for(self, identifier: str) -> None:
        assert identifier not in self.launched, "launched twice"
        self.launched.append(identifier)
        self.owed = self.touched_since_taken  # a touch since the taking is owed a run of its own


class Requests(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._root = tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None)
        self.promise = Promise()
        self.worker = RestartedWorker(Path(self._root.name), Events(self.promise.taken, self.promise.launched_for))
        self.request = self.worker.markers / REQUEST
        self.held: list[int] = []
        self.kept = Path(self._root.name, "kept")
        self._stamp = 0
        self.worker.start()

    # --- producers

    @rule()
    def touches(self) -> None:
        self.request.touch()
        self._stamped(self.request)

    @rule(text=st.sampled_from(["", "\n", '{"request_id": "a"}', "not a request"]))
    def writes(self, text: str) -> None:
        self.request.write_text(text)
        self._stamped(self.request)

    @rule()
    def renames_in(self) -> None:
        draft = self.worker.markers / "draft"
        draft.touch()
        self._stamped(draft)
        draft.rename(self.request)

    @rule()
    def links_in(self) -> None:
        draft = self.worker.markers / "draft"
        draft.touch()
        with suppress(FileExistsError):
            os.link(draft, self.request)
            self._stamped(draft)
        draft.unlink()

    @precondition(lambda self: self.request.exists())
    @rule()
    def keeps_another_link(self) -> None:
        self.kept.unlink(missing_ok=True)
        os.link(self.request, self.kept)

    @precondition(lambda self: self.kept.exists() and self.worker.lives and not self.request.exists())
    @rule()
    def links_the_same_file_in_again(self) -> None:
        """It looks exactly like the one before. The daemon has seen that one go, or has taken it away itself."""
        self.worker.advance(0.7)
        if self.worker.lives and not self.request.exists():
            self._let_the_clock_of_files_pass()
            os.link(self.kept, self.request)
            self._let_the_clock_of_files_pass()
            self.promise.touched()

    @precondition(lambda self: self.worker.lives and not list(self.worker.markers.glob(".pinakad-request-*")))
    @rule(during_the_run=st.booleans())
    def has_a_file_served_and_links_it_in_again(self, during_the_run: bool) -> None:
        self.touches()
        self.keeps_another_link()
        for _ in range(40):
            self.worker.advance(0.1)
            if not self.request.exists() or (during_the_run and not self.promise.touched_since_taken):
                break
        if during_the_run:
            self.removes_the_request()
        if self.worker.lives and not self.request.exists():
            self.links_the_same_file_in_again()

    @precondition(lambda self: self.request.exists())
    @rule()
    def opens_and_holds(self) -> None:
        self.held.append(os.open(self.request, os.O_WRONLY))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0, 9))
    def touches_what_it_holds(self, which: int) -> None:
        held = self.held.pop(which % len(self.held))
        if os.fstat(held).st_nlink > self._is_kept(held):  # else it was replaced or removed, and asks for nothing
            self._stamped(held)
        os.close(held)

    @rule()
    def touches_just_before_it_is_set_aside(self) -> None:
        self.worker.just_before_aside(self.touches)

    @precondition(lambda self: self.worker.lives)
    @rule(another_runs=st.booleans())
    def touches_what_was_set_aside(self, another_runs: bool) -> None:
        self.touches()
        self.opens_and_holds()
        for _ in range(40):
            self.worker.advance(0.1)
            if not self.request.exists():
                break
        if another_runs:
            self.touches()
            self.worker.advance(0.7)
        self.touches_what_it_holds(len(self.held) - 1)

    # --- operators

    @precondition(lambda self: not list(self.worker.markers.glob(".pinakad-request-*")))
    @rule()
    def removes_the_request(self) -> None:
        if self.request.exists():
            self.request.unlink()
            self.promise.taken_back()

    @rule()
    def asks_to_cancel(self) -> None:
        self._let_the_clock_of_files_pass()
        (self.worker.markers / CANCEL).touch()
        self._let_the_clock_of_files_pass()

    @precondition(lambda self: not self.worker.lives)
    @rule()
    def starts_it(self) -> None:
        self.worker.start()

    # --- crashes and time

    @rule()
    def it_crashes(self) -> None:
        self.worker.crash()

    @precondition(lambda self: self.worker.lives)
    @rule(steps=st.integers(0, 40))
    def it_will_crash(self, steps: int) -> None:
        self.worker.crash_at(steps)

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5]))
    def time_passes(self, seconds: float) -> None:
        self.worker.advance(seconds)

    @rule()
    def all_is_left_alone(self) -> None:
        """Whatever happened, after some quiet time nothing is owed and nothing is left."""
        self.worker.crash_at(1_000_000)
        self.worker.advance(0)
        if not self.worker.lives:
            self.worker.start()
        self.worker.advance(3 * OPEN_LIMIT_S + 10)  # one that is held open may be put back, and is waited for again
        assert self.worker.lives
        assert not self.promise.owed or self._refused(), "a touch was lost"
        names = set(os.listdir(self.worker.markers))  # noqa: PTH208 - names are all we need
        assert names <= ANSWERS | {CANCEL}, names
        assert not self.worker.store.unanswered()
        assert not self.worker.store.served.entries, "what is over is not forgotten"
        ids = self.worker.store.ids()
        if ids:
            (answer,) = names - {CANCEL}
            assert Report.model_validate_json((self.worker.markers / answer).read_bytes()).id == ids[-1]

    @invariant()
    def never_both_answers(self) -> None:
        assert not set(os.listdir(self.worker.markers)) >= ANSWERS  # noqa: PTH208 - the same

    def _refused(self) -> bool:
        """Tell whether the latest request was answered without a launch: invalid, or cancelled before it."""
        latest = self.worker.store.latest()
        return latest is not None and not self.promise.touched_since_taken and latest.id not in self.promise.launched

    def _is_kept(self, held: int) -> bool:
        return self.kept.exists() and os.path.samestat(os.fstat(held), self.kept.stat())

    def _stamped(self, what: Path | int) -> None:
        """Touch it as the clock of a slow typist would: no two touches look alike, and each is later."""
        self._stamp += 1
        stamp_ns = FIRST_MTIME_S * 10**9 + self._stamp * 10**7
        self._let_the_clock_of_files_pass()
        os.utime(what, ns=(stamp_ns, stamp_ns))
        self._let_the_clock_of_files_pass()
        self.promise.touched()

    def _let_the_clock_of_files_pass(self) -> None:
        """No two deeds have the same ctime: by it is told which was first, and that clock is the real one here."""
        probe = Path(self._root.name, "clock")
        probe.touch()
        begun_ns = probe.stat().st_ctime_ns
        while probe.stat().st_ctime_ns == begun_ns:
            probe.touch()

    def teardown(self) -> None:
        try:
            self.all_is_left_alone()
        finally:
            self.worker.close()
            for held in self.held:
                os.close(held)
            self._root.cleanup()


class ManyRequests(Requests):
    """The same, for long."""


def test_a_touch_right_after_the_node_files_were_read_does_not_look_like_the_one_that_is_served() -> None:
    """The clock of files is the real one here, on a fast disk: before Linux 6.13 it stands still for milliseconds."""
    root = tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None)
    launched: list[str] = []
    worker = RestartedWorker(
        Path(root.name), Events(lambda: None, launched.append), asyncio.new_event_loop(), closed=True
    )
    request = worker.markers / REQUEST

    def touch_once() -> None:
        worker.during_the_reading = lambda: None
        request.touch()

    worker.during_the_reading = touch_once
    request.touch()
    worker.start()
    try:
        for _ in range(40):
            worker.advance(0.1)
            if len(launched) == 2:
                break
        assert len(launched) == 2
    finally:
        worker.close()
        root.cleanup()


def _settings(examples: int) -> settings:
    unhealthy = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    return settings(
        max_examples=examples, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=unhealthy
    )


TestRequests = Requests.TestCase
TestRequests.settings = _settings(30)
TestManyRequests = pytest.mark.timeout(900)(pytest.mark.long(ManyRequests.TestCase))
TestManyRequests.settings = _settings(1000)
