"""Each reason of a run, reached on purpose: does its documented outcome follow, and nothing else?"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from processes import mentioning
from site_folders import REQUEST, write_key
from world import World

from pinakad.report.document import Report


def verdict(report: Report) -> tuple[str | None, str | None]:
    return report.outcome, report.reason


def a_run_that_fails(world: World, reason: str) -> Report:
    """Serve a request whose deployment must fail without launching anything."""
    before = world.runs()
    report = world.serve()
    assert verdict(report) == ("failed", reason), report.message
    assert (report.script, world.runs()) == (None, before)
    assert not (world.folder(report.id) / "started").exists()
    return report


@pytest.fixture
def lone_node(world: World) -> World:
    """Give a world with one node file whose machine is not there."""
    world.configure(poll={"attempts": 2, "reboot": "ignore"})
    world.add_node(1)
    return world


def test_of_several_reasons_the_first_in_the_contracts_order_is_told(world: World) -> None:
    world.configure(poll={"attempts": 1, "interval_s": 0.1}, script={"foreign": "refuse"})
    script = world.script.read_text(encoding="utf-8")
    world.script.unlink()
    world.key.unlink()
    world.start()
    world.write('{"nodes": []}')
    assert verdict(world.answer()) == ("failed", "invalid_request")
    world.wait_idle()
    a_run_that_fails(world, "no_nodes")
    world.put_node("node_01.json", "[]")
    a_run_that_fails(world, "invalid_nodes")
    world.add_node(1)
    a_run_that_fails(world, "script_not_found")
    world.script.mkdir()
    assert "not a file" in a_run_that_fails(world, "script_not_runnable").message
    world.script.rmdir()
    world.script.write_text(script + "read -r _\n", encoding="utf-8")
    by_hand = subprocess.Popen(["bash", world.script], stdin=subprocess.PIPE)
    try:
        world.wait(world.runs, "the script that somebody else started")
        report = a_run_that_fails(world, "script_already_running")
        assert str(by_hand.pid) in report.message
    finally:
        by_hand.communicate(b"\n")
    world.write_script("")
    assert str(world.key) in a_run_that_fails(world, "ssh_key").message
    write_key(world.key)
    assert verdict(world.serve()) == ("failed", "nodes_unreachable")


INVALID_REQUESTS = {
    '{"nodes": []}': "/nodes",
    '{"nodes": ["node_01.json"], "force": true}': "/force",
    '{"nodes": ["node_09.json"]}': "/nodes/0",
    '{"nodes": ["node_02.json"]}': "/nodes/0",
    '{"nodes": ["../node_01.json"]}': "/nodes/0",
    '{"nodes": "node_01.json"}': "/nodes",
    '{"request_id": "' + "x" * 201 + '"}': "/request_id",
    '["node_01.json"]': "",
    "deploy, please": "",
    '{"nodes": ["node_01.json"]': "",
    " " * ((1 << 20) + 1): "",
}


def test_a_request_that_makes_no_sense_is_answered_and_launches_nothing(lone_node: World) -> None:
    lone_node.add_node(2, hostname="twice")
    lone_node.add_node(3, hostname="twice")
    lone_node.start()
    for content, path in INVALID_REQUESTS.items():
        lone_node.rename_in(content)
        report = lone_node.answer()
        lone_node.wait_idle()
        assert verdict(report) == ("failed", "invalid_request"), content[:80]
        assert [(problem.file, problem.path) for problem in report.problems] == [(REQUEST, path)], content[:80]
    assert lone_node.runs() == []


def a_folder(path: Path) -> None:
    path.mkdir()


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize("make", [a_folder, a_pipe, a_link])
def test_a_request_that_is_no_regular_file_is_answered_and_goes_without_being_followed(
    lone_node: World, make: Callable[[Path], None]
) -> None:
    target = lone_node.markers / "elsewhere"
    target.write_text("{}", encoding="utf-8")
    lone_node.start()
    make(lone_node.markers / REQUEST)
    report = lone_node.answer()
    lone_node.wait_idle()
    assert verdict(report) == ("failed", "invalid_request")
    assert [problem.code for problem in report.problems] == ["not_a_file"]
    assert target.read_text(encoding="utf-8") == "{}"
    assert lone_node.runs() == []


def test_a_folder_with_something_in_it_is_answered_once_and_moved_out_of_the_way(lone_node: World) -> None:
    inside = lone_node.markers / REQUEST / "precious"
    lone_node.start()
    inside.parent.mkdir()
    inside.touch()
    assert verdict(lone_node.answer()) == ("failed", "invalid_request")
    lone_node.wait_idle()
    (moved,) = lone_node.markers.glob(f".pinakad-away-{REQUEST}-*/precious")
    assert moved.is_file(), "nothing of somebody else's is lost"
    lone_node.wait_for_log("moved to")
    assert (len(lone_node.deployments()), lone_node.runs()) == (1, [])


def test_a_nodes_folder_that_stays_away_for_ten_seconds_is_unreadable(lone_node: World) -> None:
    lone_node.start()
    lone_node.nodes.rename(lone_node.root / "away")
    assert "no such file" in a_run_that_fails(lone_node, "nodes_unreadable").message


def test_a_nodes_folder_that_comes_back_in_time_is_read(lone_node: World) -> None:
    lone_node.start()
    lone_node.nodes.rename(lone_node.root / "away")
    lone_node.touch()
    lone_node.wait(lone_node.deployments, "a deployment")
    (lone_node.root / "away").rename(lone_node.nodes)
    assert verdict(lone_node.answer()) == ("failed", "nodes_unreachable")


def not_a_key(path: Path) -> None:
    path.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nno\n", encoding="utf-8")


def locked_with_a_passphrase(path: Path) -> None:
    encryption = BestAvailableEncryption(b"secret")
    key = Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, encryption))


@pytest.mark.parametrize(
    ("make", "cause"), [(not_a_key, "not a private key"), (locked_with_a_passphrase, "needs a passphrase")]
)
def test_a_key_that_cannot_be_used_is_found_before_the_launch(
    lone_node: World, make: Callable[[Path], None], cause: str
) -> None:
    make(lone_node.key)
    lone_node.start()
    message = a_run_that_fails(lone_node, "ssh_key").message
    assert cause in message
    assert str(lone_node.key) in message


def test_a_supervisor_that_cannot_be_started_fails_the_launch_for_good(lone_node: World) -> None:
    lone_node.put_node("node_02.json", "{")  # it may still be being written: for a second nothing is launched
    python = python_of_its_own(lone_node)
    lone_node.start()
    lone_node.touch()
    lone_node.wait(lone_node.deployments, "a deployment")
    folder = lone_node.folder()
    standing = lone_node.wait(
        lambda: [pid for pid in mentioning("pinakad-supervisor") if pid in mentioning(str(folder))],
        "a supervisor that stands by",
    )
    python.unlink()  # as an upgrade of the host does
    for pid in standing:
        os.kill(pid, signal.SIGKILL)
    lone_node.add_node(2)
    report = lone_node.answer()
    assert verdict(report) == ("failed", "launch_failed")
    assert "no such file or directory" in report.message
    assert "tombstone" in json.loads((lone_node.folder() / "started").read_bytes())
    assert lone_node.runs() == []


def python_of_its_own(world: World) -> Path:
    """Let the daemon run by another name of this Python, which can be taken away; return that name."""
    folder = world.root / "venv" / "bin"
    folder.mkdir(parents=True)
    prefix = Path(sys.prefix)
    for name in ("pyvenv.cfg", "lib"):
        (folder.parent / name).symlink_to(prefix / name)
    python = folder / "python"
    python.symlink_to(Path(sys.executable).resolve())
    world.as_who = ["/bin/sh", "-c", 'shift; exec "$0" "$@"', str(python)]
    return python


@pytest.mark.parametrize(
    ("last_line", "code", "number"), [("exit 7", 7, None), ("kill -KILL $$", None, signal.SIGKILL)]
)
def test_a_script_that_fails_ends_the_run_at_once(
    lone_node: World, last_line: str, code: int | None, number: int | None
) -> None:
    lone_node.configure(poll={"delay_s": 300})
    lone_node.write_script(last_line)
    lone_node.start()
    report = lone_node.serve()
    assert verdict(report) == ("failed", "script_failed")
    assert report.script is not None
    assert (report.script.state, report.script.exit_code, report.script.signal) == ("exited", code, number)
    assert report.nodes[0].attempts == 0


def test_a_script_that_runs_too_long_is_ended_with_what_it_started(lone_node: World) -> None:
    lone_node.configure(script={"timeout_s": 1})
    wait, _ = lone_node.gate()
    lone_node.write_script(f"setsid bash -c '{wait}' &\n{wait}")
    lone_node.start()
    report = lone_node.serve()
    assert verdict(report) == ("failed", "script_timeout")
    assert report.script is not None
    assert (report.script.state, report.script.signal) == ("exited", signal.SIGTERM)
    assert report.nodes[0].attempts > 2, "polling goes on for the record while the script lives"
    assert mentioning(f"PINAKAD_NODES_DIR={lone_node.folder()}/nodes") == []


def test_a_killed_supervisor_means_that_the_script_is_lost_and_ended(lone_node: World) -> None:
    wait, _ = lone_node.gate()
    lone_node.write_script(wait)
    lone_node.start()
    lone_node.touch()
    lone_node.wait(lone_node.runs, "the script's run")
    started = json.loads((lone_node.folder() / "started").read_bytes())
    os.kill(started["supervisor_pid"], signal.SIGKILL)
    report = lone_node.answer()
    assert verdict(report) == ("failed", "script_lost")
    assert report.script is not None
    assert report.script.state == "lost"
    assert mentioning(f"PINAKAD_NODES_DIR={lone_node.folder()}/nodes") == []
    assert lone_node.runs() == [report.id]


def test_a_run_whose_report_cannot_be_read_is_answered_and_launched_no_second_time(lone_node: World) -> None:
    wait, go = lone_node.gate()
    lone_node.write_script(wait)
    lone_node.start()
    lone_node.touch()
    lone_node.wait(lone_node.runs, "the script's run")
    lone_node.kill()
    broken = lone_node.folder()
    for name in ("report.json", "report.durable.json"):
        (broken / name).write_text("{", encoding="utf-8")
    lone_node.start()
    report = lone_node.answer()
    lone_node.wait_idle()
    go()
    assert verdict(report) == ("failed", "state_unreadable")
    assert broken.name in report.message
    assert broken.is_dir()
    assert lone_node.runs() == [broken.name]
