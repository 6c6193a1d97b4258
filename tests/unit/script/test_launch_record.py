"""What the daemon's user writes into the records of a launch: no exception, no hang, no nonsense."""

import fcntl
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinakad.linux.clock import boot_id
from pinakad.report.vocabulary import ScriptState
from pinakad.script import records
from pinakad.script.launch_record import LaunchRecord, forbid_start, was_started
from pinakad.script.outcome import Ended, NotRun, Over, Running, Started
from pinakad.script.running_scripts import start_ticks

ID = "0123456789ab"
GOOD: dict[str, Any] = {
    **json.loads(records.adopted_exit_record(boot_id())),
    "supervisor_pid": 4_000_000,
    "script_pid": 4_000_001,
    "script_start_ticks": 5,
}
NUMBERS: list[Any] = [-1, -(10**30), 10**30, math.nan, math.inf, 1.5, "7", "x" * 9000, None, True, [], {}, [[]]]
SPREAD: list[Callable[[Path], object]] = [
    lambda path: path.mkdir(),
    os.mkfifo,
    lambda path: path.symlink_to("/dev/zero"),
    lambda path: path.symlink_to(path.name),
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\0" * 100_000),
    lambda path: path.write_bytes(b"\xff\xfe{}"),
    lambda path: path.write_bytes(b"[" * 60_000),
    lambda path: path.write_bytes(b'{"a":' * 12_000),
    lambda path: path.write_bytes(b'{"script_pid": ' + b"9" * 60_000 + b"}"),
    lambda path: path.write_bytes(b'{"tombstone": ' + b"9" * 6000 + b"}"),
    lambda path: path.write_text('{"tombstone": true, "cause": {"a": NaN}}'),
    *(
        lambda path, text=text: path.write_text(text)
        for text in ("null", "7", '"x"', "[]", "{}", "NaN", "{", "Infinity")
    ),  # type: ignore[misc]
    *(
        lambda path, key=key, value=value: path.write_text(json.dumps(GOOD | {"exit_code": 0, key: value}))  # type: ignore[misc]
        for key in (*GOOD, "exit_code", "signal", "dropped_bytes", "not_run", "supervisor_start_ticks")
        for value in NUMBERS
    ),
]


def consult(folder: Path) -> None:
    """Ask all that the launch asks; whatever is answered must be of the types that are said."""
    record = LaunchRecord(folder, ID)
    started = record.started()
    assert started is None or isinstance(started, str | Started)
    if not isinstance(started, Started):
        return
    for pid in (started.supervisor_pid, started.script_pid):
        assert type(pid) is int
        assert 0 <= pid < 1 << 32
    for ticks in (started.script_start_ticks, started.supervisor_start_ticks):
        assert ticks is None or (type(ticks) is int and ticks >= 0)
    assert math.isfinite(started.at.boot_s)
    assert math.isfinite(started.at.wall_s)
    record.is_followed(started)
    ended = record.ended(started)
    assert ended is None or isinstance(ended, Ended)
    if ended is not None:
        for number in (ended.code, ended.signal, ended.dropped_bytes):
            assert number is None or (type(number) is int and 0 <= number < 1 << 63)


@pytest.mark.parametrize("name", ["started", "adopted", "exit"])
@pytest.mark.parametrize("beside", ["nothing", "good ones"])
def test_garbage_in_a_record_is_no_exception_and_says_nothing_that_cannot_be(
    tmp_path: Path, name: str, beside: str
) -> None:
    for number, make in enumerate(SPREAD):
        folder = tmp_path / str(number)
        folder.mkdir()
        if beside == "good ones":
            for other in {"started", "exit"} - {name}:
                (folder / other).write_text(json.dumps(GOOD | {"exit_code": 0, "signal": None, "dropped_bytes": 0}))
        make(folder / name)
        consult(folder)


# --- the law of `status`: `exit` decides; without it, whether a process lives that may leave one


OURS, GONE, ELSEWHERE = os.getpid(), 4_000_000, "another-boot"
DONE = {"exit_code": 7, "signal": None, "dropped_bytes": 0}
RUNS, LOST, INTERRUPTED = "running", ScriptState.LOST, ScriptState.INTERRUPTED
EXITED, UNKNOWN = (ScriptState.EXITED, 7), (ScriptState.EXITED, None)


def a_start(pid: int, **more: Any) -> dict[str, Any]:
    """Return a record whose supervisor and script are one process, for the table's sake."""
    ticks = start_ticks(pid) or 1
    return GOOD | {"supervisor_pid": pid, "script_pid": pid, "script_start_ticks": ticks} | more


def without_boot_id(record: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name != "boot_id"}


TOMBSTONE = json.loads(records.TOMBSTONE)
LAW: list[tuple[dict[str, Any] | None, bool, Any, Any]] = [
    # `started`, whether it is locked, the status without `exit`, the status with it
    (None, False, NotRun.YET, EXITED),
    (TOMBSTONE, False, NotRun.EVER, NotRun.EVER),
    (TOMBSTONE, True, NotRun.EVER, NotRun.EVER),
    (a_start(OURS), True, RUNS, EXITED),
    (a_start(OURS), False, LOST, EXITED),
    (a_start(GONE), True, LOST, EXITED),
    (a_start(GONE), False, LOST, EXITED),
    (a_start(OURS, supervisor_start_ticks=start_ticks(OURS)), True, RUNS, EXITED),
    (a_start(OURS, supervisor_start_ticks=1), True, LOST, EXITED),
    (a_start(OURS, boot_id=ELSEWHERE), True, INTERRUPTED, EXITED),
    (a_start(GONE, boot_id=ELSEWHERE), False, INTERRUPTED, EXITED),
    (a_start(OURS, adopted=1), False, RUNS, EXITED),
    (a_start(OURS, adopted=1, script_start_ticks=1), False, UNKNOWN, EXITED),
    (a_start(GONE, adopted=1), False, UNKNOWN, EXITED),
    (a_start(OURS, adopted=1, boot_id=ELSEWHERE), False, INTERRUPTED, EXITED),
    (without_boot_id(a_start(OURS)), True, LOST, EXITED),  # it was started, and that is all that it says
    ({}, False, LOST, EXITED),
]


def shown(status: Any) -> Any:
    if isinstance(status, Over):
        exited = status.ended.state is ScriptState.EXITED
        return (ScriptState.EXITED, status.ended.code) if exited else status.ended.state
    return RUNS if isinstance(status, Running) else status


@pytest.mark.parametrize(("started", "locked", "without_exit", "with_exit"), LAW)
def test_the_status_is_what_exit_says_or_else_who_lives(
    tmp_path: Path, started: dict[str, Any] | None, locked: bool, without_exit: Any, with_exit: Any
) -> None:
    lock = None
    if started is not None:
        (tmp_path / records.STARTED).write_text(json.dumps(started))
        lock = os.open(tmp_path / records.STARTED, os.O_RDONLY)
        if locked:
            fcntl.flock(lock, fcntl.LOCK_EX)
    found = LaunchRecord(tmp_path, ID).status()
    (tmp_path / records.EXIT).write_text(json.dumps(GOOD | DONE))
    found_with_exit = LaunchRecord(tmp_path, ID).status()
    if lock is not None:
        os.close(lock)
    assert (shown(found), shown(found_with_exit)) == (without_exit, with_exit)


def test_a_start_is_forbidden_once_and_for_good(tmp_path: Path) -> None:
    for _ in range(2):
        forbid_start(tmp_path)
        assert LaunchRecord(tmp_path, ID).status() is NotRun.EVER
        assert not was_started(tmp_path)
    with pytest.raises(FileExistsError):
        records.claim(str(tmp_path), json.dumps(a_start(OURS)))


def test_a_start_that_is_there_is_not_forbidden_any_more(tmp_path: Path) -> None:
    os.close(records.claim(str(tmp_path), json.dumps(a_start(OURS))))
    forbid_start(tmp_path)
    assert was_started(tmp_path)
    assert isinstance(LaunchRecord(tmp_path, ID).status(), Over)


def test_in_a_folder_that_is_gone_nothing_is_forbidden_in_silence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        forbid_start(tmp_path / "gone")
