"""Where a script's output goes: is what fits kept, what does not counted, and the script never held up?"""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pinakad.script.output import _CHUNK, LOG, Output, _Journal, _LogFile

KINDS = [("file", False), ("file", True), ("journal", False), ("null", False), ("null", True)]


class Pipe:
    """The pipe of a script's output, whose descriptors are closed once only: they are somebody else's after that."""

    def __init__(self) -> None:
        outlet, inlet = os.pipe()
        self._outlet, self._inlet = os.fdopen(outlet, "rb", 0), os.fdopen(inlet, "wb", 0)
        self.outlet, self.inlet = outlet, inlet

    def close_inlet(self) -> None:
        self._inlet.close()

    def close(self) -> None:
        self._inlet.close()
        self._outlet.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


def log_of(folder: Path) -> bytes:
    return (folder / LOG).read_bytes()


def output_to(folder: Path, limit: int = 1 << 20) -> Output:
    return Output("file", str(folder), limit)


# --- where it goes


@pytest.mark.parametrize(("kind", "journal_too"), KINDS)
def test_each_kind_has_its_places_and_null_has_none(tmp_path: Path, kind: str, journal_too: bool) -> None:
    output = Output(kind, str(tmp_path), 1 << 20, journal_too=journal_too)
    assert (output._file is not None) is (kind == "file")
    assert (output._journal is not None) is (kind == "journal" or (kind == "file" and journal_too))
    assert (tmp_path / LOG).exists() is (kind == "file")


@pytest.mark.parametrize(("kind", "journal_too"), [("null", False), ("null", True)])
def test_what_goes_nowhere_is_not_counted(tmp_path: Path, kind: str, journal_too: bool) -> None:
    output = Output(kind, str(tmp_path), 1 << 20, journal_too=journal_too)
    output.write(b"x" * 1000)
    assert (output.written, output.dropped) == (0, 0)


def test_a_log_is_kept_in_full_where_no_journal_takes_it(tmp_path: Path) -> None:
    output = Output("file", str(tmp_path), 1 << 20, journal_too=True)
    assert output._journal is not None
    output._journal.away_until = time.monotonic() + 60  # as after a journald that hung
    output.write(b"one\n")
    assert (output.written, output.dropped, log_of(tmp_path)) == (4, 0, b"one\n")


def test_what_a_journal_that_is_away_does_not_take_is_counted(tmp_path: Path) -> None:
    output = Output("journal", str(tmp_path), 1 << 20)
    assert output._journal is not None
    output._journal.away_until = time.monotonic() + 60
    output.write(b"one\n")
    output.write(b"two\n")
    assert (output.written, output.dropped) == (0, 8)


# --- the log


@pytest.mark.parametrize("limit", [0, 1, 9, 10, 11, 20, 1000])
@pytest.mark.parametrize("pieces", [(b"0123456789",), (b"01234", b"56789"), (b"0123456789", b"x"), ()])
def test_a_log_has_the_first_bytes_and_says_once_where_it_ends(
    tmp_path: Path, limit: int, pieces: tuple[bytes, ...]
) -> None:
    output = output_to(tmp_path, limit)
    for piece in pieces:
        output.write(piece)
    whole = b"".join(pieces)
    note = f"\n[pinakad: the output past {limit} bytes is dropped]\n".encode() if len(whole) > limit else b""
    assert log_of(tmp_path) == whole[:limit] + note
    assert (output.written, output.dropped) == (min(limit, len(whole)), max(0, len(whole) - limit))


def test_a_log_that_cannot_be_made_drops_all_and_counts_it(tmp_path: Path) -> None:
    output = Output("file", str(tmp_path / "nowhere"), 1 << 20)
    output.write(b"one")
    assert (output.written, output.dropped) == (0, 3)


class NarrowLog(_LogFile):
    """On a disk that has room when the test says so."""

    room = True

    def _has_room(self) -> bool:
        return self.room


def test_what_a_full_disk_drops_is_said_in_the_log_when_there_is_room_again(tmp_path: Path) -> None:
    log = NarrowLog(str(tmp_path / LOG), 1 << 20)
    log.write(b"one\n")
    log.room = False
    log.write(b"two\n")
    log.write(b"three\n")
    log.room = True
    log.write(b"four\n")
    text = b"one\n\n[pinakad: 10 bytes of output were dropped: no room on the disk]\nfour\n"
    assert log_of(tmp_path) == text
    assert (log.written, log.dropped) == (9, 10)


def test_a_log_replaces_what_has_its_name_and_does_not_write_into_it(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / LOG).symlink_to(tmp_path / "other")
    output_to(tmp_path).write(b"one")
    assert log_of(tmp_path) == b"one"
    assert (tmp_path / "other").read_bytes() == b"other"


# --- the journal


class JournalOf(_Journal):
    """Connects to what the test gives it: sockets, or errors that are raised."""

    def __init__(self, *answers: object) -> None:
        super().__init__("test")
        self.answers = list(answers)

    def _connect(self) -> Any:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Connection:
    """Takes what is sent. `errors`: what the first calls raise, None for nothing."""

    def __init__(self, *errors: Exception | None) -> None:
        self.errors = list(errors)
        self.sent = b""

    def sendall(self, data: bytes) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
        self.sent += data


def test_a_journal_that_was_restarted_is_connected_to_again() -> None:
    first, second = Connection(None, BrokenPipeError()), Connection()
    journal = JournalOf(first, second)
    journal.write(b"one")
    journal.write(b"two")
    assert (first.sent, second.sent, journal.written, journal.dropped) == (b"one", b"two", 6, 0)


def test_a_journal_that_hangs_is_left_alone_for_a_while() -> None:
    journal = JournalOf(Connection(TimeoutError()))
    began_s = time.monotonic()
    journal.write(b"one")
    journal.write(b"two")
    assert (journal.written, journal.dropped) == (0, 6)
    assert journal.away_until >= began_s + 10


def test_a_journal_that_refuses_twice_drops_and_is_asked_again_by_the_next_line() -> None:
    there = Connection()
    journal = JournalOf(ConnectionRefusedError(), ConnectionRefusedError(), there)
    journal.write(b"one")
    journal.write(b"two")
    assert (there.sent, journal.written, journal.dropped) == (b"two", 3, 3)


# --- the pipe


def test_all_that_a_process_wrote_before_its_end_is_read(tmp_path: Path, pipe: Pipe) -> None:
    output = output_to(tmp_path)
    process = subprocess.Popen(["head", "-c", "300000", "/dev/zero"], stdout=pipe.inlet)
    pipe.close_inlet()
    ended = os.pidfd_open(process.pid)
    output.drain_until_exit(pipe.outlet, ended)
    output.drain_what_is_left(pipe.outlet)
    os.close(ended)
    process.wait()
    assert output.written == 300_000


def test_the_end_of_a_process_is_seen_although_its_pipe_was_closed_before(tmp_path: Path, pipe: Pipe) -> None:
    output = output_to(tmp_path)
    command = "echo out; exec >&- 2>&-; read -r _"
    process = subprocess.Popen(["bash", "-c", command], stdout=pipe.inlet, stderr=pipe.inlet, stdin=subprocess.PIPE)
    pipe.close_inlet()
    ended = os.pidfd_open(process.pid)
    reader = threading.Thread(target=output.drain_until_exit, args=(pipe.outlet, ended))
    reader.start()
    process.communicate(b"\n")
    reader.join(10)
    assert not reader.is_alive()
    os.close(ended)
    assert log_of(tmp_path) == b"out\n"


def test_children_that_write_on_do_not_keep_the_exit_status_back(tmp_path: Path, pipe: Pipe) -> None:
    output = output_to(tmp_path, limit=0)
    process = subprocess.Popen(["yes"], stdout=pipe.inlet)
    output.drain_what_is_left(pipe.outlet)
    assert output.dropped <= 64 * _CHUNK
    process.kill()
    process.wait()


@pytest.mark.parametrize("is_open", [True, False])
def test_what_is_left_of_a_pipe_is_read_without_waiting(tmp_path: Path, pipe: Pipe, is_open: bool) -> None:
    output = output_to(tmp_path)
    os.write(pipe.inlet, b"left")
    if not is_open:
        pipe.close_inlet()
    output.drain_what_is_left(pipe.outlet)
    assert log_of(tmp_path) == b"left"


@pytest.mark.parametrize("is_open", [True, False])
def test_draining_for_some_time_takes_that_time(tmp_path: Path, pipe: Pipe, is_open: bool) -> None:
    output = output_to(tmp_path)
    os.write(pipe.inlet, b"one")
    if not is_open:
        pipe.close_inlet()
    began_s = time.monotonic()
    output.drain_for(0.2, pipe.outlet)
    assert time.monotonic() - began_s >= 0.2
    assert log_of(tmp_path) == b"one"


def test_draining_to_the_end_waits_for_the_last_writer(tmp_path: Path, pipe: Pipe) -> None:
    output = output_to(tmp_path)
    output.drain_what_is_left(pipe.outlet)  # from then on a read of the empty pipe would not wait
    reader = threading.Thread(target=output.drain_to_the_end, args=(pipe.outlet,))
    reader.start()
    os.write(pipe.inlet, b"late")
    pipe.close_inlet()
    reader.join(10)
    assert not reader.is_alive()
    assert log_of(tmp_path) == b"late"
