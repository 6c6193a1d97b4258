"""Does the program of the script's unit run the script, and refuse whatever it cannot trust?"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pinakad.script_unit import RefusedError, open_folder

ID = "20261123T212455Z.0001"
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the unit runs as root, and trusts nobody else's folders")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state folder with a deployment in it."""
    state = tmp_path / "state"
    (state / "deployments" / ID).mkdir(parents=True)
    return state


@pytest.fixture
def run_unit(tmp_path: Path, state: Path) -> Callable[[str], "subprocess.CompletedProcess[str]"]:
    """Give a function that configures a script with a text and runs the unit's program."""
    script = tmp_path / "script.sh"
    config = tmp_path / "pinakad.toml"
    config.write_text(f'[paths]\nwork_dir = "{tmp_path}"\nscript = "{script}"\n', encoding="utf-8")

    def run(text: str) -> "subprocess.CompletedProcess[str]":
        if text:
            script.write_text(text, encoding="utf-8")
        command = [sys.executable, "-I", "-m", "pinakad.script_unit", ID]
        environ = {"STATE_DIRECTORY": str(state), "PINAKAD_CONFIG": str(config)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=30)

    return run


Run = Callable[[str], "subprocess.CompletedProcess[str]"]


def record(state: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((state / "deployments" / ID / name).read_text(encoding="utf-8"))
    return found


def test_it_leaves_what_the_other_runner_leaves(run_unit: Run, state: Path) -> None:
    done = run_unit("echo out; exit 7\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert record(state, "started")["id"] == ID
    assert record(state, "exit")["exit_code"] == 7
    log = state / "deployments" / ID / "script.log"
    assert log.read_text(encoding="utf-8") == "out\n"
    assert log.stat().st_mode & 0o777 == 0o640


def test_the_executable_bit_is_set_where_it_is_missing(run_unit: Run, tmp_path: Path) -> None:
    run_unit("exit 0\n")
    assert (tmp_path / "script.sh").stat().st_mode & 0o777 == 0o755


def test_a_second_start_runs_nothing(run_unit: Run, state: Path) -> None:
    run_unit("exit 1\n")
    before = record(state, "started")
    assert run_unit("exit 2\n").returncode != 0
    assert record(state, "started") == before
    assert record(state, "exit")["exit_code"] == 1


def test_a_script_that_others_can_change_is_refused_by_a_tombstone_that_tells_why(run_unit: Run, state: Path) -> None:
    run_unit_text = "touch $PINAKAD_WORK_DIR/ran\n"
    script = state.parent / "script.sh"
    script.write_text(run_unit_text, encoding="utf-8")
    script.chmod(0o666)
    assert run_unit("").returncode == 78
    assert f"'{script}' can be changed by everybody" in str(record(state, "started")["cause"])
    assert not (state.parent / "ran").exists()


def test_a_configuration_that_is_not_roots_is_refused(run_unit: Run, state: Path) -> None:
    os.chown(state.parent / "pinakad.toml", 4711, 0)
    assert run_unit("exit 0\n").returncode == 78
    assert "it must be root's alone" in str(record(state, "started")["cause"])


def test_a_draft_that_was_put_in_the_way_is_not_written_through(run_unit: Run, state: Path) -> None:
    victim = state.parent / "victim"
    victim.write_text("untouched", encoding="utf-8")
    for name in ("script.log", ".exit.new", "exit"):
        (state / "deployments" / ID / name).symlink_to(victim)
    run_unit("echo evil\n")
    assert victim.read_text(encoding="utf-8") == "untouched"
    assert record(state, "exit")["exit_code"] == 0


@pytest.mark.parametrize("link", ["deployments", f"deployments/{ID}"])
def test_a_link_on_the_way_to_the_deployment_is_not_followed(state: Path, link: str) -> None:
    place = state / link
    place.rename(state / "elsewhere")
    place.symlink_to(state / "elsewhere")
    with pytest.raises(RefusedError, match="cannot open deployment"):
        open_folder(state, ID)


def test_a_deployment_that_belongs_to_somebody_else_is_refused(state: Path) -> None:
    os.chown(state / "deployments" / ID, 4711, 0)
    with pytest.raises(RefusedError, match="it belongs to somebody else"):
        open_folder(state, ID)


@pytest.mark.parametrize("words", [[], ["../../etc"], [ID, ID], [ID + "x"], ["%i"]])
def test_anything_but_an_id_is_refused(words: list[str]) -> None:
    command = [sys.executable, "-I", "-m", "pinakad.script_unit", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "usage" in done.stderr
