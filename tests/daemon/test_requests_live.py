"""Requests against the running daemon: by every way, at every moment, through stops and crashes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from machines import Machines
from site_folders import CANCEL, REQUEST
from world import World

from pinakad.report.document import Report

WAYS = {"touched": World.touch, "written": World.write, "renamed": World.rename_in, "linked": World.link_in}


@pytest.fixture
def gated(world: World) -> Callable[[], None]:
    """Give the world a node that is never there and a script that waits; return what lets the script go on."""
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)
    wait, go = world.gate()
    world.write_script(wait)
    return go


def ended_as_it_had_to(world: World, report: Report) -> bool:
    """Tell whether the run ended as one whose script exits 0 and whose node is not there."""
    return (report.reason, world.runs().count(report.id)) == ("nodes_unreachable", 1)


@pytest.mark.parametrize("way", WAYS)
def test_a_request_is_served_however_it_came_there(world: World, gated: Callable[[], None], way: str) -> None:
    world.start()
    WAYS[way](world)
    gated()
    report = world.answer()
    world.wait_idle()
    assert ended_as_it_had_to(world, report)
    assert world.runs() == [report.id]


def test_a_request_that_was_there_before_the_start_is_served(world: World, gated: Callable[[], None]) -> None:
    world.touch()
    world.start()
    gated()
    assert ended_as_it_had_to(world, world.answer())
    world.wait_idle()


def test_a_request_limited_to_some_files_deploys_these_and_its_id_is_echoed(
    world: World, gated: Callable[[], None]
) -> None:
    world.add_node(2)
    world.start()
    with (world.markers / REQUEST).open("w", encoding="utf-8") as request:
        request.write('{"nodes": ["node_02.json"], "request_id": "Bestellung 7 \\u00e4"}')
    gated()
    report = world.answer()
    assert (report.request.nodes, report.request.id) == (["node_02.json"], "Bestellung 7 \u00e4")
    assert [node.file for node in report.nodes] == ["node_02.json"]
    assert [path.name for path in (world.folder(report.id) / "nodes").iterdir()] == ["node_02.json"]


@pytest.mark.parametrize("running", [True, False])
def test_a_shell_that_opens_the_request_long_before_it_writes_asks_for_what_it_writes_and_no_more(
    world: World, gated: Callable[[], None], running: bool
) -> None:
    world.add_node(2)
    if running:
        world.start()
    line = f"""(sleep 0.8; echo '{{"nodes": ["node_02.json"]}}') > '{world.markers / REQUEST}'"""
    with subprocess.Popen(["bash", "-c", line]):
        world.wait(world.requested, "the empty file")
        if not running:
            world.start()
        gated()
        report = world.answer()
    world.wait_idle()
    assert report.request.nodes == ["node_02.json"]
    assert world.deployments() == [report.id]


def test_touches_during_a_run_lead_to_exactly_one_more_run(world: World, gated: Callable[[], None]) -> None:
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    for _ in range(3):
        world.touch()
    world.wait(lambda: world.status().daemon.queued, "the queued request in status.json")
    gated()
    first = world.answer()
    gated()
    second = world.answer()
    world.wait_idle()
    assert ended_as_it_had_to(world, first)
    assert ended_as_it_had_to(world, second)
    gated()  # a third run would not wait
    assert not late_run(world)
    assert world.runs() == [first.id, second.id]


def late_run(world: World) -> bool:
    """Wait until the daemon has looked for late touches and forgotten the request; tell whether there is a third."""
    world.wait(lambda: not list(world.markers.glob(".pinakad-request-*")), "the set-aside requests gone")
    return world.requested() or len(world.deployments()) > 2


def test_whoever_held_the_request_open_and_touches_it_late_is_served(world: World, gated: Callable[[], None]) -> None:
    world.start()
    world.touch()
    with (world.markers / REQUEST).open("r+b") as held:
        gated()
        first = world.answer()
        world.wait(lambda: not world.requested(), "the request set aside")
        held.write(b" ")
    gated()
    second = world.answer()
    assert world.runs() == [first.id, second.id]


def test_a_cancel_that_was_there_before_is_removed_and_cancels_nothing(world: World, gated: Callable[[], None]) -> None:
    world.cancel()
    world.start()
    world.touch()
    gated()
    report = world.answer()
    assert ended_as_it_had_to(world, report)
    assert not (world.markers / CANCEL).exists()
    assert f"'{CANCEL}'" in world.log_text()
    assert "cancel_removed" in [problem.code for problem in report.problems]


def test_a_request_queued_behind_a_cancelled_run_is_served(world: World, gated: Callable[[], None]) -> None:
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    world.touch()
    world.cancel()
    assert world.answer().outcome == "cancelled"
    gated()
    assert ended_as_it_had_to(world, world.answer())
    world.wait_idle()
    assert not (world.markers / CANCEL).exists()


@pytest.mark.parametrize("shared", ["STATE_DIRECTORY", "markers"])
def test_a_second_instance_goes_at_once_and_says_why(world: World, shared: str) -> None:
    world.start()
    environment = {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime)}
    if shared == "markers":
        environment["STATE_DIRECTORY"] = str(world.drafts)
    code, told = run_daemon(world, environment)
    place = world.state / "lock" if shared == "STATE_DIRECTORY" else world.markers
    assert code == 75
    assert told == f"<3>cannot use '{place}': another pinakad uses it\n"
    assert world.daemon_code() is None


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"poll": {"interval_s": 0}}, "'poll.interval_s' = 0"),
        ({"poll": {"intervall_s": 5}}, "unknown key 'poll.intervall_s'"),
        ({"ssh": {"host_keys": "maybe"}}, "'ssh.host_keys' = 'maybe'"),
        ({"paths": {"nodes": "here"}}, "'paths.nodes' = 'here': must be an absolute path"),
        ({"paths": {"markers": "/nowhere/at/all"}}, "paths.markers"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused_with_file_key_and_value(
    world: World, table: dict[str, dict[str, object]], expected: str
) -> None:
    world.configure(**table)
    code, told = run_daemon(world, {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime)})
    assert code == 78
    assert expected in told
    assert "paths.markers" in expected or str(world.config) in told


@pytest.mark.parametrize("name", ["STATE_DIRECTORY", "RUNTIME_DIRECTORY"])
def test_a_folder_of_its_own_that_is_missing_is_told_by_its_variable(world: World, name: str) -> None:
    environment = {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime)}
    code, told = run_daemon(world, environment | {name: str(world.root / "missing")})
    assert code == 78
    assert f"${name}" in told


def run_daemon(world: World, environment: dict[str, str]) -> tuple[int, str]:
    """Run a daemon that is expected to end by itself; return its exit code and what it said."""
    command = [sys.executable, "-m", "pinakad", "--config", str(world.config)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=20, check=False)
    return done.returncode, done.stderr


def test_a_reload_counts_for_the_next_run_and_a_bad_one_for_none(world: World, machines: Machines) -> None:
    machines.add(1)
    world.add_node(1)
    wait, go = world.gate()
    world.write_script(wait)
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    world.configure(poll={"attempts": 77})
    world.reload()
    go()
    assert world.answer().policy.poll.attempts == 150, "a run keeps what it began with"
    go()
    assert world.serve().policy.poll.attempts == 77
    world.configure(poll={"attempts": 0})
    world.reload()
    assert "<3>the configuration is not changed: " in world.log_text()
    assert "'poll.attempts' = 0" in world.log_text()
    world.configure(poll={"attempts": 5}, paths={"markers": str(world.drafts)})
    world.reload()
    assert "paths.markers" in world.log_text()
    go()
    report = world.serve()
    assert (report.outcome, report.policy.poll.attempts) == ("completed", 77)


@pytest.mark.parametrize("end", [World.stop, World.kill], ids=["stopped", "killed"])
@pytest.mark.parametrize("meanwhile", ["it runs on", "it ends"])
def test_a_run_outlives_its_daemon_and_the_next_one_brings_it_to_the_right_end(
    world: World, machines: Machines, end: Callable[[World], float | None], meanwhile: str
) -> None:
    machines.add(1)
    world.add_node(1)
    wait, go = world.gate()
    world.write_script(wait)
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    seconds = end(world)
    assert seconds is None or seconds < 2
    assert world.requested()
    started = json.loads((world.folder() / "started").read_bytes())
    os.kill(started["script_pid"], 0)  # raises where the script is gone
    if meanwhile == "it ends":
        go()
        world.wait((world.folder() / "exit").exists, "the supervisor's last word")
    world.start()
    if meanwhile == "it runs on":
        world.wait_for_node(1, lambda node: node.attempts > 0)
        go()
    report = world.answer()
    world.wait_idle()
    assert (report.outcome, report.reason) == ("completed", None)
    assert world.runs() == [report.id] == world.deployments()
    assert report.script is not None
    assert report.script.pid == started["script_pid"]


def test_a_daemon_that_was_stopped_while_a_login_hangs_stops_in_time(world: World, machines: Machines) -> None:
    machine = machines.add(1)
    world.add_node(1)
    (machine.folder / "shell").write_text(f'echo hangs >> "{world.root}/hangs"; sleep 600\n', encoding="utf-8")
    world.configure(poll={"reboot": "ignore"}, ssh={"command_timeout_s": 600})
    world.start()
    world.touch()
    world.wait((world.root / "hangs").exists, "a login that hangs")
    assert world.stop() < 2


def test_it_says_that_it_is_ready_alive_and_what_it_does(world: World, gated: Callable[[], None]) -> None:
    world.start()
    world.touch()
    world.wait(lambda: any(text.startswith("polling: 0 of 1") for text in world.notify.statuses), "such a STATUS")
    world.wait(lambda: world.notify.count("WATCHDOG=1") > 1, "WATCHDOG=1")
    gated()
    world.answer()
    world.wait(lambda: "failed (nodes_unreachable)" in world.notify.statuses[-1], "the last outcome in STATUS")
    world.stop()
    assert world.notify.count("READY=1") == world.notify.count("STOPPING=1") == 1
