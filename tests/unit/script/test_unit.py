"""Does the program of the script's unit run the script, and refuse whatever it cannot trust?"""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pinakad.script.run_ledger import RunLedger, RunRefusedError
from pinakad.script.unit import RefusedError, open_folder

ID = "20261123T212455Z.0001"
OTHER_ID = "20261123T212456Z.0002"
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="the unit runs as root, and trusts nobody else's folders")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Give a state folder with a deployment in it."""
    state = tmp_path / "state"
    (state / "deployments" / ID / "nodes").mkdir(parents=True)
    for name in ("own", "run"):
        (tmp_path / name).mkdir(mode=0o700)
    return state


@pytest.fixture
def run_unit(tmp_path: Path, state: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Give a function that configures a script with a text and runs the unit's program."""
    script = tmp_path / "script.sh"
    config = tmp_path / "pinakad.toml"
    config.write_text(f'[paths]\nwork_dir = "{tmp_path}"\nscript = "{script}"\n', encoding="utf-8")

    def run(text: str, identifier: str = ID) -> "subprocess.CompletedProcess[str]":
        if text:
            script.write_text(text, encoding="utf-8")
        shutil.rmtree(tmp_path / "run")  # as systemd does when the unit ends
        (tmp_path / "run").mkdir()
        command = [sys.executable, "-I", "-m", "pinakad", "run-script", identifier]
        environ = {
            "PINAKAD_STATE_DIRECTORY": str(state),
            "STATE_DIRECTORY": str(tmp_path / "own"),
            "RUNTIME_DIRECTORY": str(tmp_path / "run"),
            "PINAKAD_CONFIG": str(config),
        }
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=30)

    return run


Run = Callable[..., "subprocess.CompletedProcess[str]"]


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


def test_a_script_that_others_can_change_is_refused_by_a_tombstone_that_says_why(run_unit: Run, state: Path) -> None:
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


# --- the snapshot, as root reads it


def put(state: Path, name: str, content: bytes = b"{}") -> Path:
    place = state / "deployments" / ID / "nodes" / name
    place.write_bytes(content)
    return place


def test_the_script_reads_roots_own_copy_of_the_snapshot(run_unit: Run, state: Path, tmp_path: Path) -> None:
    put(state, "node_01.json", b"one")
    text = 'cd "$PINAKAD_NODES_DIR" && pwd && stat -c "%U %a" . node_01.json && cat node_01.json'
    assert run_unit(text).returncode == 0
    said = (state / "deployments" / ID / "script.log").read_text(encoding="utf-8")
    assert said.splitlines() == [str(tmp_path / "run" / "nodes"), "root 755", "root 640", "one"]


def a_link(place: Path) -> None:
    secret = place.parents[4] / "secret"
    secret.write_text("secret", encoding="utf-8")
    place.symlink_to(secret)


def anothers(place: Path) -> None:
    place.write_text("secret", encoding="utf-8")
    os.chown(place, 4711, 0)


def a_large_file(place: Path) -> None:
    place.write_bytes(bytes((1 << 20) + 1))


def many_names_of_one_large_file(place: Path) -> None:
    place.write_bytes(bytes(1 << 20))
    for number in range(2, 300):
        os.link(place, place.with_name(f"node_{number}.json"))


def a_strange_name(place: Path) -> None:
    place.with_name("node_01.json\n").write_bytes(b"{}")


ODD = [a_link, os.mkfifo, Path.mkdir, anothers, a_large_file, a_strange_name, many_names_of_one_large_file]


@pytest.mark.parametrize("make", ODD)
def test_a_snapshot_that_is_not_the_daemons_runs_nothing(
    run_unit: Run, state: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(state / "deployments" / ID / "nodes" / "node_01.json")
    assert run_unit("touch $PINAKAD_WORK_DIR/ran\n").returncode == 78
    assert "the snapshot" in str(record(state, "started")["cause"])
    assert not (tmp_path / "ran").exists()
    assert "secret" not in "".join(path.read_text("utf-8") for path in (tmp_path / "run").rglob("*") if path.is_file())
    size = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*") if path.is_file())
    assert size <= 256 << 20


def test_a_snapshot_folder_that_is_a_link_is_not_followed(run_unit: Run, state: Path, tmp_path: Path) -> None:
    nodes = state / "deployments" / ID / "nodes"
    nodes.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "node_01.json").write_bytes(b"{}")
    nodes.symlink_to(tmp_path / "elsewhere")
    assert run_unit("touch $PINAKAD_WORK_DIR/ran\n").returncode == 78
    assert not (tmp_path / "ran").exists()


# --- an id is run once, and one at a time


def test_an_id_that_was_run_is_never_run_again_whatever_becomes_of_its_folder(run_unit: Run, state: Path) -> None:
    assert run_unit("exit 1\n").returncode == 0
    shutil.rmtree(state / "deployments" / ID)
    (state / "deployments" / ID / "nodes").mkdir(parents=True)
    assert run_unit("touch $PINAKAD_WORK_DIR/again\n").returncode == 78
    assert "was begun before, and is never run twice" in str(record(state, "started")["cause"])
    assert not (state.parent / "again").exists()


def test_two_scripts_never_run_at_the_same_time(tmp_path: Path) -> None:
    first, second = RunLedger(tmp_path), RunLedger(tmp_path)
    first.begin(ID)
    with pytest.raises(RunRefusedError, match="another deployment still runs"):
        second.begin(OTHER_ID, patience_s=0.1)
    first.end()
    second.begin(OTHER_ID, patience_s=0.1)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
        ("lock", ID, OTHER_ID), 0o600
    )


def test_the_next_script_may_run_while_what_the_last_one_left_lives_on(run_unit: Run, state: Path) -> None:
    left = 'nohup setsid sh -c "echo left; while [ ! -e $PINAKAD_WORK_DIR/go ]; do sleep 0.05; done" &\n'
    first = threading.Thread(target=run_unit, args=(left,))
    first.start()
    exit_file = state / "deployments" / ID / "exit"
    ends_s = time.monotonic() + 20
    while not exit_file.exists():
        assert time.monotonic() < ends_s
        time.sleep(0.01)
    (state / "deployments" / OTHER_ID / "nodes").mkdir(parents=True)
    assert run_unit("exit 3\n", OTHER_ID).returncode == 0
    assert first.is_alive()
    (state.parent / "go").touch()
    first.join(20)
    ended = json.loads((state / "deployments" / OTHER_ID / "exit").read_bytes())
    assert ended["exit_code"] == 3


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
    command = [sys.executable, "-I", "-m", "pinakad", "run-script", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 78
    assert "usage" in done.stderr
