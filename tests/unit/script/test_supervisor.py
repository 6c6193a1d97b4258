"""What the supervisor does for the script: real bash, real processes."""

import asyncio
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from paths import PROGRAMS
from scripts import Place, let_go, run, started, supervisor_program, until_there

from pinakad.linux.clock import boot_id
from pinakad.linux.locks import is_locked
from pinakad.report.vocabulary import ScriptState
from pinakad.script import supervisor
from pinakad.script.outcome import Over, Running
from pinakad.script.running_scripts import start_ticks


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [("exit 0", 0, None), ("exit 7", 7, None), ("exit 255", 255, None), ("kill -9 $$", None, 9), ("kill $$", None, 15)],
)
async def test_the_exit_status_or_the_signal_is_recorded(
    place: Place, text: str, code: int | None, number: int | None
) -> None:
    ended = await run(place.script(text))
    assert (ended.state, ended.code, ended.signal) == (ScriptState.EXITED, code, number)
    assert ended.at is not None
    assert ended.at.boot_id == boot_id()


async def test_the_script_has_its_environment_and_nothing_else(place: Place, tmp_path: Path) -> None:
    text = "env -0 > env; pwd > cwd; umask > umask; readlink /proc/self/fd/0 > stdin; ls /proc/$$/fd > fds"
    ended = await run(place.script(text))
    assert ended.code == 0, place.log()
    environment = dict(item.split("=", 1) for item in place.read("env").split("\0")[:-1])
    for of_bash in ("_", "SHLVL", "PWD", "OLDPWD"):
        environment.pop(of_bash, None)
    assert set(environment) == {
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG"),
        *("PINAKAD_DEPLOYMENT_ID", "PINAKAD_NODES_DIR", "PINAKAD_WORK_DIR"),
    }
    assert environment["PINAKAD_DEPLOYMENT_ID"] == place.id
    assert environment["PINAKAD_NODES_DIR"] == str(place.folder / "nodes")
    assert environment["PINAKAD_WORK_DIR"] == str(tmp_path)
    assert (place.read("cwd"), place.read("umask")) == (f"{tmp_path}\n", "0022\n")
    assert place.read("stdin") == "/dev/null\n"
    assert set(place.read("fds").split()) <= {"0", "1", "2", "255", "3"}  # 255: bash's script, 3: its redirection


async def test_it_is_started_before_it_runs_and_in_a_session_of_its_own(place: Place) -> None:
    found = await started(place.script("ls -A */ > listing; ps -o sid= -p $$ > session; touch up; exec sleep 1000"))
    await until_there(place.root / "up")
    assert "started" in place.read("listing").split()
    assert int(place.read("session")) == found.script_pid
    record = json.loads((place.folder / "started").read_text())
    assert record["script_start_ticks"] == start_ticks(found.script_pid)
    assert record["supervisor_pid"] == found.supervisor_pid
    assert isinstance(place.script().status(), Running)


async def test_output_goes_to_the_log_in_order_and_only_the_group_may_read_it(place: Place) -> None:
    await run(place.script("echo one; echo two >&2; echo three"))
    assert place.log() == "one\ntwo\nthree\n"
    assert (place.folder / "script.log").stat().st_mode & 0o7777 == 0o640
    assert (place.folder / "started").stat().st_mode & 0o7777 == 0o644


async def test_no_output_is_kept_where_none_is_wanted(place: Place) -> None:
    ended = await run(place.script("yes | head -c 1000000", output="null"))
    assert (ended.code, ended.dropped_bytes) == (0, 0)
    assert not (place.folder / "script.log").exists()


@pytest.mark.parametrize("limit", [0, 1000, 65536, 131072])
async def test_output_past_the_limit_is_dropped_and_said_to_be(place: Place, limit: int) -> None:
    ended = await run(place.script("head -c 500000 /dev/zero", log_max_bytes=limit))
    assert (ended.code, ended.dropped_bytes) == (0, 500_000 - limit)
    log = (place.folder / "script.log").read_bytes()
    assert log == b"\0" * limit + f"\n[pinakad: the output past {limit} bytes is dropped]\n".encode()


async def test_output_that_just_fits_is_not_said_to_be_dropped(place: Place) -> None:
    ended = await run(place.script("head -c 65536 /dev/zero", log_max_bytes=65536))
    assert ended.dropped_bytes == 0
    assert (place.folder / "script.log").read_bytes() == b"\0" * 65536


async def test_a_disk_that_is_full_stops_neither_the_script_nor_its_status(place: Place) -> None:
    place.path.write_text("head -c 300000 /dev/zero; echo done > finished")
    words = shlex.join(place.script()._run.spec().words())
    limited = f"ulimit -f 100; exec {sys.executable} {supervisor_program()} {words}"  # no file over 100 KiB
    process = await asyncio.create_subprocess_exec("/bin/bash", "-c", limited, stdin=subprocess.PIPE)
    await process.communicate(supervisor.GO)
    assert process.returncode == 0
    found = place.script().status()
    assert isinstance(found, Over)
    assert (found.ended.code, found.ended.dropped_bytes) == (0, 300_000 - 102_400)
    assert place.read("finished") == "done\n"


async def test_children_that_hold_the_output_open_do_not_hold_the_status_back(place: Place) -> None:
    script = place.script("(trap '' HUP; read -r _ < fifo; echo late) & exit 3")
    os.mkfifo(place.root / "fifo")
    ended = await run(script)
    assert ended.code == 3
    assert is_locked(place.folder / "started")  # it reads on: a closed pipe would kill the child
    (place.root / "fifo").write_text("go\n")
    assert script._run.runner._process is not None  # type: ignore[attr-defined]
    await asyncio.to_thread(script._run.runner._process.wait, 10)  # type: ignore[attr-defined]
    assert place.log() == "late\n"


async def test_supervisors_at_once_are_one_run_and_the_others_give_up(place: Place) -> None:
    place.path.write_text("echo run >> runs")
    processes = [await let_go(place.script()._run.spec()) for _ in range(6)]
    codes = sorted(await asyncio.gather(*(process.wait() for process in processes)))
    assert codes == [0] + [supervisor.GAVE_UP] * 5
    assert place.read("runs") == "run\n"
    assert sorted(path.name for path in place.folder.iterdir()) == ["exit", "script.log", "started"]


def a_folder(place: Path) -> None:
    place.mkdir()


def a_folder_with_something(place: Path) -> None:
    (place / "in" / "it").mkdir(parents=True)


def a_link_to_nothing(place: Path) -> None:
    place.symlink_to("/nonexistent/file")


def a_link_to_a_device(place: Path) -> None:
    place.symlink_to("/dev/full")


def a_socket(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(place.parent)  # the path of a socket is short
        listener.bind(place.name)
        os.chdir("/")


def one_of_many_names(place: Path) -> None:
    place.with_name("other").write_bytes(b"untouched")
    os.link(place.with_name("other"), place)


ODD = [a_folder, a_folder_with_something, a_link_to_nothing, a_link_to_a_device, os.mkfifo, a_socket, one_of_many_names]


@pytest.mark.parametrize(
    ("make", "name"),
    # an `exit` with some other content is read while the script runs, as if a supervisor had left it
    [
        (make, name)
        for make in ODD
        for name in ("exit", ".exit.new", "script.log")
        if (make, name) != (one_of_many_names, "exit")
    ],
)
async def test_whatever_has_the_name_of_a_file_of_ours_is_replaced(
    place: Place, make: Callable[[Path], None], name: str
) -> None:
    make(place.folder / name)
    ended = await run(place.script("echo out; exit 3"))
    assert ended.code == 3
    assert place.log() == "out\n"
    kinds = {left.lstat().st_mode & 0o170000 for left in (place.folder / "exit", place.folder / "script.log")}
    assert kinds == {0o100000}
    if make is one_of_many_names:
        assert (place.folder / "other").read_bytes() == b"untouched"


@pytest.mark.parametrize("output", ["file", "journal", "null"])
async def test_it_imports_nothing_while_the_script_runs(place: Place, output: str) -> None:
    spec = place.script("echo out; exit 7", output=output)._run.spec()
    program = PROGRAMS / "supervisor_without_library.py"
    command = [sys.executable, "-I", "-S", program, supervisor_program(), *spec.words()]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert await process.communicate(supervisor.GO) == (None, b"")
    assert process.returncode == 0
    assert (await place.script().ended()).code == 7


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
async def test_closed_streams_of_the_daemon_do_not_reach_the_script(place: Place, closed: str) -> None:
    words = shlex.join(place.script("echo out; echo error >&2")._run.spec().words())
    command = f"exec {sys.executable} {supervisor_program()} {words} {closed}"
    process = await asyncio.create_subprocess_exec("/bin/bash", "-c", command, stdin=subprocess.PIPE)
    await process.communicate(supervisor.GO)
    assert (await place.script().ended()).code == 0
    assert place.log() == "out\nerror\n"


async def test_a_start_that_cannot_be_recorded_runs_nothing(place: Place) -> None:
    spec = place.script("echo run >> runs")._run.spec()
    spec.folder = str(place.root / "nowhere")
    process = await let_go(spec, stderr=subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == supervisor.NOT_RECORDED
    assert b"cannot record the start" in said
    assert not (place.root / "runs").exists()


async def test_the_script_outlives_signals_to_the_group_of_the_daemon(place: Place) -> None:
    found = await started(place.script("sleep 1000"))
    assert os.getpgid(found.supervisor_pid) != os.getpgid(0)
    for number in (signal.SIGHUP, signal.SIGINT):
        os.kill(found.supervisor_pid, number)
    assert isinstance(place.script().status(), Running)
