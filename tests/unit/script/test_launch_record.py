"""What the daemon's user writes into the records of a launch: no exception, no hang, no nonsense."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pinakad.linux.clock import boot_id
from pinakad.script import records
from pinakad.script.launch_record import LaunchRecord
from pinakad.script.outcome import Ended, Started

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
