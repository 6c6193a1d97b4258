"""How a supervisor is brought to life as a process: prepared before it is needed, replaced where it is lost."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import mentioning
from scripts import Place, run, started, state_of, until

from pinakad.config import ScriptSettings
from pinakad.script.runners import SubprocessRunner, SystemdRunner, _sealed, runner_for
from pinakad.script.script import ScriptOnDisk


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def supervisor_of(script: ScriptOnDisk) -> int:
    return int(script._run.runner._process.pid)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("runner", "kind"), [("subprocess", SubprocessRunner), ("systemd", SystemdRunner)])
def test_the_runner_is_the_one_that_is_set(runner: str, kind: type) -> None:
    assert type(runner_for(ScriptSettings.model_validate({"runner": runner}), "20261123T212455Z.0001")) is kind


async def test_a_prepared_supervisor_is_the_one_that_runs_the_script(place: Place) -> None:
    script = place.script("echo run >> runs")
    with script.launch_prepared():
        waiting = supervisor_of(script)
        assert (await started(script)).supervisor_pid == waiting
        assert (await script.ended()).code == 0
    assert place.read("runs") == "run\n"


async def test_a_supervisor_that_runs_the_script_outlives_the_preparation(place: Place) -> None:
    os.mkfifo(place.root / "fifo")
    script = place.script("read -r word < fifo; echo $word >> runs")
    with script.launch_prepared():
        await started(script)
    (place.root / "fifo").write_text("late\n")
    assert (await script.ended()).code == 0
    assert place.read("runs") == "late\n"


@pytest.mark.parametrize("how", ["discarded", "ended", "left alone"])
async def test_a_supervisor_that_was_prepared_in_vain_leaves_nothing(place: Place, how: str) -> None:
    script = place.script("echo run >> runs")
    nodes = str(place.folder / "nodes")  # it and the process that waits to be the script have that
    with script.launch_prepared():
        await until(lambda: supervisor_of(script) in mentioning(nodes))
        if how == "ended":
            assert await script.end() is None
        elif how == "left alone":
            script._run.runner._process.stdin.close()  # type: ignore[attr-defined] # as when the daemon is killed
        if how != "discarded":
            await until(lambda: all(state_of(pid) in "ZX" for pid in mentioning(nodes)))
    await until(lambda: all(state_of(pid) in "ZX" for pid in mentioning(nodes)))
    assert not (place.root / "runs").exists()
    left = {path.name for path in place.folder.iterdir()}
    assert left == ({"started"} if how == "ended" else set())


async def test_a_prepared_supervisor_is_discarded_where_what_precedes_the_launch_fails(place: Place) -> None:
    script = place.script("echo run >> runs")
    with pytest.raises(ZeroDivisionError), script.launch_prepared():
        raise ZeroDivisionError
    await until(lambda: state_of(supervisor_of(script)) in "ZX")
    assert list(place.folder.iterdir()) == []


async def test_nothing_is_prepared_for_a_script_that_is_not_ours_to_launch(place: Place) -> None:
    script = place.script("echo run >> runs", launch=False)
    with script.launch_prepared():
        assert script._run.runner._process is None  # type: ignore[attr-defined]


async def test_its_program_comes_from_no_folder_and_nobody_can_change_it(place: Place) -> None:
    script = place.script("echo run >> runs")
    with script.launch_prepared():
        waiting = supervisor_of(script)
        assert list(place.folder.iterdir()) == []
        await until(lambda: waiting in mentioning("pinakad-supervisor"))  # what ps(1) shows
    descriptor = _sealed(b"program")
    with pytest.raises(PermissionError):
        os.pwrite(descriptor, b"evil", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)


async def test_a_program_that_is_put_into_its_folder_is_never_run(place: Place) -> None:
    for name in ("supervisor.pyc", "supervisor.py", "sitecustomize.py", "os.py"):
        (place.folder / name).write_text(f"open('{place.root}/evil', 'w')", encoding="utf-8")
    assert (await run(place.script("echo run >> runs"))).code == 0
    assert not (place.root / "evil").exists()
    assert (place.folder / "supervisor.pyc").read_text(encoding="utf-8").startswith("open(")  # none of ours replaced it


async def another_runs_it(place: Place, script: ScriptOnDisk, lost: int) -> None:
    assert (await started(script)).supervisor_pid != lost
    assert (await script.ended()).code == 0
    assert place.read("runs") == "run\n"


async def test_a_prepared_supervisor_that_is_killed_is_replaced(place: Place) -> None:
    script = place.script("echo run >> runs")
    with script.launch_prepared():
        waiting = supervisor_of(script)
        os.kill(waiting, signal.SIGKILL)
        await until(lambda: state_of(waiting) in "ZX")
        await another_runs_it(place, script, waiting)


async def test_a_prepared_supervisor_whose_script_process_is_killed_is_replaced(place: Place) -> None:
    script = place.script("echo run >> runs")
    with script.launch_prepared():
        nodes, waiting = str(place.folder / "nodes"), supervisor_of(script)
        await until(lambda: len(mentioning(nodes)) > 1)
        for pid in set(mentioning(nodes)) - {waiting}:
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: state_of(pid) == "Z")
        await another_runs_it(place, script, waiting)


async def test_a_work_folder_that_is_exchanged_before_the_launch_is_the_new_one(place: Place) -> None:
    script = place.script("pwd -P > where")
    with script.launch_prepared():
        await until(lambda: len(mentioning(str(place.folder / "nodes"))) > 1)
        aside = place.root.with_name("aside")
        aside.mkdir()
        for path in place.root.iterdir():
            path.rename(aside / path.name)
        place.root.rename(place.root.with_name("old"))
        aside.rename(place.root)
        assert (await run(script)).code == 0
    assert place.read("where") == f"{place.root}\n"


async def test_a_supervisor_is_reaped_when_it_ends_although_nobody_asks_for_it(place: Place) -> None:
    script = place.script("exit 0")  # it holds what could be asked, so that no garbage collection helps
    found = await started(script)
    await until(lambda: state_of(found.supervisor_pid) == "X")
