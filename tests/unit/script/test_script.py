"""Launched once, found again, ended: real bash, real processes."""

import asyncio
import fcntl
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import mentioning
from scripts import Place, command_of, let_go, run, started, state_of, until, until_gone, until_there

from pinakad.report.vocabulary import Reason, Refusal, ScriptState
from pinakad.script import running_scripts, supervisor
from pinakad.script.outcome import NotRun, Over, Started
from pinakad.script.processes import NODES_VARIABLE
from pinakad.script.script import ScriptOnDisk


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


async def test_launched_twice_it_runs_once(place: Place) -> None:
    scripts = [place.script("echo run >> runs; sleep 0.2; exit 5"), *(place.script() for _ in range(4))]
    found = await asyncio.gather(*(script.launch() for script in scripts))
    assert len({item.script_pid for item in found if isinstance(item, Started)}) == 1
    assert {item.code for item in await asyncio.gather(*(script.ended() for script in scripts))} == {5}
    assert place.read("runs") == "run\n"
    assert await started(place.script()) == found[0]
    assert place.read("runs") == "run\n"


async def test_after_a_tombstone_nothing_is_ever_run(place: Place) -> None:
    script = place.script("echo run >> runs")
    assert await script.end() is None
    assert script.status() is NotRun.EVER
    late = await let_go(script._run.spec())
    assert await late.wait() == supervisor.GAVE_UP
    assert "given up" in str(await script.launch())
    assert not (place.root / "runs").exists()


async def test_a_deployment_folder_that_is_gone_is_a_launch_that_failed(place: Place) -> None:
    script = place.script("exit 0")
    place.folder.rmdir()
    with pytest.raises(FileNotFoundError):  # the tombstone has no place either
        await script.launch()


@pytest.mark.parametrize("who", ["supervisor", "supervisor and script"])
async def test_a_killed_supervisor_is_a_lost_script(place: Place, who: str) -> None:
    script = place.script("echo $$ > pid; exec sleep 1000")
    found = await started(script)
    await until_there(place.root / "pid")
    os.kill(found.supervisor_pid, signal.SIGKILL)
    if who != "supervisor":
        os.kill(found.script_pid, signal.SIGKILL)
    ended = await script.ended()
    assert (ended.state, ended.code, ended.at) == (ScriptState.LOST, None, None)
    await script.end()
    await until_gone(found.script_pid)
    assert await started(place.script()) == found  # and it is not started again


async def test_an_exit_that_is_there_counts_although_the_lock_is_held(place: Place) -> None:
    script = place.script("exit 0")
    await run(script)
    with (place.folder / "started").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert isinstance(script.status(), Over)


def _rewrite_started(place: Place, **changes: object) -> None:
    record = json.loads((place.folder / "started").read_text()) | changes
    (place.folder / "started").write_text(json.dumps(record))


async def test_after_a_reboot_of_the_host_the_script_was_interrupted_and_nobody_innocent_is_ended(place: Place) -> None:
    script = place.script("exit 0")
    await run(script)
    (place.folder / "exit").unlink()
    innocent = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    _rewrite_started(place, boot_id="of another boot", script_pid=innocent.pid)
    script = place.script()  # as another daemon finds it
    ended = await script.ended()
    assert ended.state is ScriptState.INTERRUPTED
    assert await script.end() == ended
    assert innocent.returncode is None
    assert state_of(innocent.pid) not in "ZX"
    innocent.kill()
    await innocent.wait()


async def test_a_pid_that_somebody_else_has_now_is_not_ended(place: Place) -> None:
    script = place.script("exit 0")
    await run(script)
    (place.folder / "exit").unlink()
    innocent = await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    _rewrite_started(place, script_pid=innocent.pid, script_start_ticks=1)
    script = place.script()
    assert (await script.ended()).state is ScriptState.LOST
    await script.end()
    assert state_of(innocent.pid) not in "ZX"
    innocent.kill()
    await innocent.wait()


async def test_ending_it_ends_all_that_it_started(place: Place) -> None:
    text = "setsid sleep 60611 & env -i bash -c 'sleep 60612' & (sleep 60613 & sleep 60614 & wait) & touch up; wait"
    script = place.script(text)
    found = await started(script)
    await until_there(place.root / "up")
    ended = await script.end()
    assert ended is not None
    assert (ended.state, ended.signal) == (ScriptState.EXITED, signal.SIGTERM)
    for pid in (found.script_pid, *mentioning("sleep\x006061")):
        await until_gone(pid)


@pytest.mark.looptime(start=0)
async def test_what_ignores_term_is_killed_ten_seconds_later(place: Place) -> None:
    place.path.write_text("trap 'echo term >> terms' TERM; touch up; while :; do read -t 1000 _ < fifo; done")
    os.mkfifo(place.root / "fifo")
    script = place.script()
    process = await asyncio.to_thread(start_in_real_time, script)
    while not (place.root / "up").exists():
        await asyncio.to_thread(process.poll)
    began_s = asyncio.get_running_loop().time()
    ended = await script.end()
    assert ended is not None
    assert ended.signal == signal.SIGKILL
    assert asyncio.get_running_loop().time() - began_s >= 10
    process.wait()


def start_in_real_time(script: ScriptOnDisk) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(command_of(script._run.spec()), stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(supervisor.GO)
    process.stdin.close()
    return process


def test_why_a_script_cannot_be_launched(place: Place) -> None:
    assert place.script().problem() == Refusal(
        Reason.SCRIPT_NOT_FOUND,
        f"cannot run '{place.path}': no such file or directory",
    )
    place.path.mkdir()
    assert place.script().problem() == Refusal(
        Reason.SCRIPT_NOT_RUNNABLE, f"cannot run '{place.path}': it is not a file"
    )
    place.path.rmdir()
    os.mkfifo(place.path)
    assert place.script().problem() == Refusal(
        Reason.SCRIPT_NOT_RUNNABLE, f"cannot run '{place.path}': it is not a file"
    )
    place.path.unlink()
    assert place.script("exit").problem() is None


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o755), (0o600, 0o700), (0o640, 0o750), (0o755, 0o755)])
def test_the_executable_bit_is_set_for_those_who_may_read_it(place: Place, before: int, after: int) -> None:
    script = place.script("exit")
    place.path.chmod(before)
    part, problems = script.prepare()
    assert problems == []
    assert place.path.stat().st_mode & 0o7777 == after
    assert (part.path, part.state, part.log) == (str(place.path), "launching", str(place.folder / "script.log"))


@pytest.mark.parametrize(
    "words",
    [
        ["bash", "deploy it.sh"],
        ["bash", "-x", "deploy it.sh", "--all"],
        ["bash", "-o", "pipefail", "deploy it.sh"],
        ["bash", "-eo", "pipefail", "deploy it.sh"],
        ["sh", "./deploy it.sh"],
        ["./deploy it.sh"],
    ],
)
async def test_where_a_foreign_run_is_refused_it_is_not_doubled(place: Place, words: list[str]) -> None:
    script = place.script("#!/bin/bash\ntouch up; read -r _\n", foreign="refuse")
    place.path.chmod(0o755)
    other = await asyncio.create_subprocess_exec(*words, cwd=place.root, stdin=subprocess.PIPE)
    await until_there(place.root / "up")
    problem = script.problem()
    assert problem is not None
    assert problem.reason is Reason.SCRIPT_ALREADY_RUNNING
    assert str(other.pid) in problem.message
    await other.communicate(b"\n")
    assert script.problem() is None


@pytest.mark.parametrize(
    "command",
    [
        "exec bash 'link to it.sh'",
        "exec sh 'link to it.sh'",
        "exec dash -- 'deploy it.sh'",
        "exec bash < 'deploy it.sh'",
        "exec bash -s < 'deploy it.sh'",
        "exec -a gunicorn bash 'deploy it.sh'",
        "exec bash /dev/fd/8 8< 'deploy it.sh'",
        "exec env -i bash -x 'deploy it.sh'",
    ],
)
async def test_however_the_file_is_run_it_is_seen(place: Place, command: str) -> None:
    place.script("touch up; exec 9<> fifo; read -r _ <&9\n")
    os.mkfifo(place.root / "fifo")
    (place.root / "link to it.sh").symlink_to(place.path)
    other = await asyncio.create_subprocess_exec("bash", "-c", command, cwd=place.root)
    await until_there(place.root / "up")
    found = [pid for pid, _ in running_scripts.foreign_runs(str(place.path), str(place.root / "deployments"))]
    other.kill()
    await other.wait()
    assert found == [other.pid]


@pytest.mark.parametrize(
    "command",
    [
        "exec -a bash tail -f 'deploy it.sh'",
        "exec -a bash tail -f /dev/null 'deploy it.sh'",
        "exec tail -f /dev/null < 'deploy it.sh'",
        "exec bash -c 'read -r _ < fifo' 'deploy it.sh'",
        "exec bash other.sh 'deploy it.sh'",
        "exec bash other.sh < 'deploy it.sh'",
        "exec bash other.sh 10< 'deploy it.sh'",
    ],
)
async def test_words_or_an_open_file_alone_are_no_run(place: Place, command: str) -> None:
    place.script("exit 0\n")
    os.mkfifo(place.root / "fifo")
    (place.root / "other.sh").write_text("read -r _ < fifo")
    other = await asyncio.create_subprocess_exec("bash", "-c", command, cwd=place.root, stdout=subprocess.DEVNULL)
    await until(lambda: (words := running_scripts.words_of_process(other.pid)) and command not in words)
    found = running_scripts.foreign_runs(str(place.path), str(place.root / "deployments"))
    other.kill()
    await other.wait()
    assert found == []


async def test_a_run_that_is_found_by_its_mark_has_no_supervisor_but_one_of_ours(place: Place) -> None:
    """What lost its parent is a child of the first process of the host: with that one's family nearly all would end."""
    script = place.script("exit 0")
    nodes = f"{NODES_VARIABLE}={place.folder}/nodes"
    orphan = await asyncio.create_subprocess_exec("setsid", "-f", "env", nodes, "sleep", "60624")
    await orphan.wait()
    await until(lambda: any(nodes in _environment(pid) for pid in mentioning(nodes)))
    script._launch._find_by_its_mark()
    assert script._run.record.seen is not None
    assert (script._run.record.seen.supervisor_pid, script._run.record.seen.supervisor_start_ticks) == (0, None)


def _environment(pid: int) -> list[str]:
    """Return what a process carries; env(1) carries it only once it has become the program that it starts."""
    try:
        return Path(f"/proc/{pid}/environ").read_text(encoding="utf-8").split("\0")
    except OSError:
        return []


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else, and sees what others carry")
async def test_the_mark_of_a_run_counts_only_at_a_process_of_ours(place: Place) -> None:
    script = place.script("echo run >> runs")
    mark = {NODES_VARIABLE: f"{place.folder}/nodes"}
    stranger = await asyncio.create_subprocess_exec("sleep", "60625", env=mark, user=65533, group=65533)
    lends = await asyncio.create_subprocess_exec(
        "su", env=mark, user=65533, group=65533, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    script._launch._find_by_its_mark()
    assert script._run.record.seen is None
    for process in (stranger, lends):
        process.kill()
        await process.communicate()


async def test_who_only_has_the_script_open_or_runs_another_does_not_run_it(place: Place) -> None:
    script = place.script("read -r _")
    (place.root / "other.sh").write_text("touch up; read -r _")
    other = await asyncio.create_subprocess_exec(
        "bash", "other.sh", str(place.path), cwd=place.root, stdin=subprocess.PIPE
    )
    await until_there(place.root / "up")
    reader = await asyncio.create_subprocess_exec("tail", "-f", "/dev/null", str(place.path), stdout=subprocess.DEVNULL)
    assert script.problem() is None
    await other.communicate(b"\n")
    reader.kill()
    await reader.wait()


async def test_our_own_run_is_not_somebody_else(place: Place) -> None:
    await started(place.script("touch up; sleep 1000"))
    await until_there(place.root / "up")
    assert place.script().problem() is None


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda place: place.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["started", "exit"])
async def test_what_is_no_file_is_no_record_and_holds_nobody_up(
    place: Place, make: Callable[[Path], None], name: str
) -> None:
    script = place.script("exit 3")
    make(place.folder / name)
    assert script.status() is NotRun.YET
    if name == "exit":
        assert (await run(script)).code == 3
