"""The files that a supervisor leaves: whole, made once, and what the daemon reads in them."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from pinakad.linux.locks import is_locked
from pinakad.script import records
from pinakad.script.running_scripts import start_ticks

BOOT = "0b0c5c1e-7a3f-4b0e-9d56-2f8d1c9b7a11"
ID = "20261123T212455Z.0001"


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# --- claim


def test_a_claim_is_there_whole_readable_and_locked_until_it_is_closed(tmp_path: Path) -> None:
    lock = records.claim(str(tmp_path), '{"a": 1}')
    file = tmp_path / records.STARTED
    assert (file.read_text(), file.stat().st_mode & 0o7777) == ('{"a": 1}\n', 0o644)
    assert is_locked(file)
    os.close(lock)
    assert not is_locked(file)
    assert names_in(tmp_path) == {records.STARTED}


def test_a_second_claim_fails_and_leaves_the_first_as_it_is(tmp_path: Path) -> None:
    lock = records.claim(str(tmp_path), "first")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FileExistsError):
        records.claim(str(tmp_path), records.TOMBSTONE)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert (tmp_path / records.STARTED).read_text() == "first\n"
    assert is_locked(tmp_path / records.STARTED)
    assert names_in(tmp_path) == {records.STARTED}
    os.close(lock)


def test_of_many_claims_at_once_one_succeeds(tmp_path: Path) -> None:
    claimed: list[int] = []
    refused: list[str] = []
    together = threading.Barrier(8)

    def try_to(name: str) -> None:
        together.wait()
        try:
            claimed.append(records.claim(str(tmp_path), name))
        except FileExistsError:
            refused.append(name)

    threads = [threading.Thread(target=try_to, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(claimed), len(refused)) == (1, 7)
    assert (tmp_path / records.STARTED).read_text().strip() not in refused
    assert names_in(tmp_path) == {records.STARTED}
    os.close(claimed[0])


def test_a_claim_in_a_folder_that_is_gone_fails(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        records.claim(str(tmp_path / "gone"), "{}")


# --- leave


def test_what_is_left_is_there_whole_and_replaces_what_was(tmp_path: Path) -> None:
    waits: list[float] = []
    for text in ("one", "two"):
        records.leave(str(tmp_path), records.EXIT, text, waits.append)
        file = tmp_path / records.EXIT
        assert (file.read_text(), file.stat().st_mode & 0o7777) == (f"{text}\n", 0o644)
    assert names_in(tmp_path) == {records.EXIT}
    assert waits == []


def test_the_umask_does_not_decide_who_reads_what_is_left(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        records.leave(str(tmp_path), records.EXIT, "{}", lambda _: None)
    finally:
        os.umask(before)
    assert (tmp_path / records.EXIT).stat().st_mode & 0o7777 == 0o644


def test_a_folder_that_is_gone_is_waited_for_and_given_up(tmp_path: Path) -> None:
    waits: list[float] = []
    records.leave(str(tmp_path / "gone"), records.EXIT, "{}", waits.append)
    assert waits == [0.3] * 10


def test_a_folder_that_is_made_again_meanwhile_has_what_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    records.leave(str(folder), records.EXIT, "{}", lambda _: folder.mkdir())
    assert (folder / records.EXIT).read_text() == "{}\n"


def test_a_folder_under_the_name_of_a_file_is_put_aside_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / records.EXIT / "in").mkdir(parents=True)
    records.leave(str(tmp_path), records.EXIT, "{}", lambda _: None)
    assert (tmp_path / records.EXIT).read_text() == "{}\n"
    [aside] = names_in(tmp_path) - {records.EXIT}
    assert aside.startswith(f"{records.EXIT}.")
    assert (tmp_path / aside / "in").is_dir()


def test_what_can_never_be_written_is_given_up(tmp_path: Path) -> None:
    waits: list[float] = []
    folder = tmp_path / "file"
    folder.write_text("", encoding="utf-8")
    records.leave(str(folder), records.EXIT, "{}", waits.append)  # ENOTDIR
    assert 60 <= len(waits) < 3600
    assert set(waits) == {1.0}


# --- the records


def test_a_started_record_names_this_process_and_the_script(tmp_path: Path) -> None:
    record = json.loads(records.started_record(ID, os.getppid(), BOOT))
    assert time.time() - 60 < record.pop("wall_s") <= time.time()
    assert 0 < record.pop("boot_s") <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert record == {
        "schema": 1,
        "id": ID,
        "supervisor_pid": os.getpid(),
        "supervisor_start_ticks": start_ticks(os.getpid()),
        "script_pid": os.getppid(),
        "script_start_ticks": start_ticks(os.getppid()),
        "boot_id": BOOT,
    }


def test_a_started_record_of_a_process_that_is_gone_has_no_start_of_it() -> None:
    assert json.loads(records.started_record(ID, 1 << 30, BOOT))["script_start_ticks"] is None


@pytest.mark.parametrize("age_s", [0, 5, 3600])
def test_an_adopted_record_has_the_moment_when_that_script_began(age_s: int) -> None:
    per_s = os.sysconf("SC_CLK_TCK")
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) - age_s) * per_s)
    record = json.loads(records.adopted_record(ID, 17, ticks, BOOT))
    assert record.pop("wall_s") == pytest.approx(time.time() - age_s, abs=5)
    assert record == {
        "schema": 1,
        "id": ID,
        "adopted": 1,
        "supervisor_pid": 0,
        "script_pid": 17,
        "script_start_ticks": ticks,
        "boot_id": BOOT,
        "boot_s": ticks / per_s,
    }


def test_an_adopted_script_is_not_recorded_as_begun_in_the_future() -> None:
    ticks = int((time.clock_gettime(time.CLOCK_BOOTTIME) + 100) * os.sysconf("SC_CLK_TCK"))
    assert json.loads(records.adopted_record(ID, 17, ticks, BOOT))["wall_s"] <= time.time()


def test_the_end_of_an_adopted_script_has_a_moment_and_no_status() -> None:
    record = json.loads(records.adopted_exit_record(BOOT))
    assert (record.pop("boot_s") > 0, record.pop("wall_s") > 0) == (True, True)
    assert record == {"schema": 1, "exit_code": None, "signal": None, "boot_id": BOOT, "dropped_bytes": 0}


@pytest.mark.parametrize(
    ("status", "code", "number"),
    [*((code << 8, code, None) for code in range(256)), *((sig, None, sig) for sig in (1, 2, 9, 15, 64))],
)
def test_an_exit_record_has_an_exit_code_or_a_signal(status: int, code: int | None, number: int | None) -> None:
    record = json.loads(records.exit_record(status, 10, 3, "", BOOT))
    assert (record["exit_code"], record["signal"]) == (code, number)
    assert (record["log_bytes"], record["dropped_bytes"], record["boot_id"]) == (10, 3, BOOT)
    assert "not_run" not in record


def test_a_core_that_was_dumped_does_not_change_the_signal() -> None:
    assert json.loads(records.exit_record(signal.SIGSEGV | 0x80, 0, 0, "", BOOT))["signal"] == signal.SIGSEGV


def test_an_exit_record_says_why_the_script_was_not_run() -> None:
    assert json.loads(records.exit_record(126 << 8, 0, 0, "no such file", BOOT))["not_run"] == "no such file"


def test_the_tombstone_is_json_that_says_so() -> None:
    assert json.loads(records.TOMBSTONE) == {"schema": 1, "tombstone": True}
