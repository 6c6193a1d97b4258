"""The host itself was booted again, or the daemon was away past the deadline: who is believed, and who is blamed?"""

import json
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from crashes import restart
from machines import Machines
from world import World

from pinakad.linux.clock import boot_id
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState
from pinakad.script.running_scripts import start_ticks

OTHER_BOOT = "0b0c5c1e-7a3f-4b0e-9d56-2f8d1c9b7a11"
AGO_S = 3000.0


def lose_power(world: World) -> None:
    """End the daemon, the supervisor and the script in one, and leave the files as another boot finds them."""
    world.kill()
    folder = world.folder()
    started = json.loads((folder / "started").read_bytes())
    for name in ("supervisor_pid", "script_pid"):
        with suppress(ProcessLookupError):
            os.kill(started[name], signal.SIGKILL)
    world.wait(lambda: start_ticks(started["supervisor_pid"]) is None or is_zombie(started), "a dead supervisor")
    for file in ("started", "report.json", "report.durable.json"):
        text = (folder / file).read_text(encoding="utf-8")
        assert boot_id() in text
        put(folder / file, text.replace(boot_id(), OTHER_BOOT))


def put(path: Path, text: str) -> None:
    """Replace a file; two names of the same file are two files then."""
    path.unlink()
    path.write_text(text, encoding="utf-8")


def is_zombie(started: dict[str, Any]) -> bool:
    stat = Path(f"/proc/{started['supervisor_pid']}/stat")
    with suppress(FileNotFoundError):
        return stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return True


def run_until_power_is_lost(world: World) -> None:
    line, _ = world.gate()
    world.write_script(line)
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and world.report().phase is Phase.POLLING, "a script that runs")
    lose_power(world)


def test_a_script_lost_with_a_host_that_is_no_node_was_interrupted(world: World, machines: Machines) -> None:
    machines.add(1)
    world.add_node(1)
    run_until_power_is_lost(world)
    restart(world)
    report = world.answer()
    world.wait_idle()
    assert (report.outcome, report.reason) == (Outcome.FAILED, Reason.SCRIPT_INTERRUPTED)
    assert report.script is not None
    assert report.script.state is ScriptState.INTERRUPTED
    assert world.runs() == [report.id]


def test_a_host_that_is_itself_a_node_completes_only_when_every_node_has_rebooted(
    world: World, machines: Machines
) -> None:
    own_name = socket.gethostname().split(".")[0]
    machines.add(1, own_name)
    world.add_node(1, hostname=own_name)
    machines.add(2)
    world.add_node(2)
    run_until_power_is_lost(world)
    machines[1].reboot()
    restart(world)
    world.wait_for_node(1, lambda node: node.state == "up" and node.rebooted)
    world.wait_for_node(2, lambda node: node.reason == "not_rebooted")
    machines[2].reboot()
    report = world.answer()
    world.wait_idle()
    assert report.outcome is Outcome.COMPLETED
    assert [(node.this_host, node.rebooted) for node in report.nodes] == [(True, True), (False, True)]
    assert report.script is not None
    assert report.script.state is ScriptState.INTERRUPTED
    assert world.runs() == [report.id]


def test_the_end_of_polling_after_a_reboot_is_not_put_off_by_another_restart(world: World, machines: Machines) -> None:
    own_name = socket.gethostname().split(".")[0]
    machines.add(1, own_name)
    world.add_node(1, hostname=own_name)
    world.configure(
        poll={"attempts": 100, "interval_s": 0.3},  # 30 s, and this host is up for longer
        ssh={"banner_timeout_s": 0.3, "auth_timeout_s": 0.3, "command_timeout_s": 0.3, "connect_timeout_s": 0.3},
    )
    run_until_power_is_lost(world)
    move_back(world, "report.json", "report.durable.json", "started")
    restart(world)
    report = world.answer()
    world.wait_idle()
    assert report.reason is Reason.NODES_UNREACHABLE
    assert report.nodes[0].reason == "not_rebooted"


def move_back(world: World, *files: str) -> None:
    """Leave the files as they were had all of it happened long ago."""
    for file in files:
        path = world.folder() / file
        value = json.loads(path.read_bytes())
        clock = value.get("clock", value)
        for key in ("boot_s", "launched_boot_s", "taken_boot_s", "wall_s"):
            if clock.get(key) is not None:
                clock[key] -= AGO_S
        if "clock" in value and value["clock"]["launched_at"]:
            value["clock"]["launched_at"] = "2020-01-01T00:00:00.000Z"
        put(path, json.dumps(value))


def away_past_the_deadline(world: World, machines: Machines) -> None:
    """Let a daemon be killed while it polls a node that is down, and come back when the time is long over."""
    machines.add(1, up=False)
    world.add_node(1)
    world.configure(
        poll={"attempts": 20, "interval_s": 0.3},
        ssh={"banner_timeout_s": 0.5, "auth_timeout_s": 0.5, "command_timeout_s": 0.5, "connect_timeout_s": 0.5},
    )
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.attempts >= 1)
    world.wait((world.folder() / "exit").exists, "the script's end")
    world.kill()
    move_back(world, "started", "exit", "report.json", "report.durable.json")


def test_a_node_that_came_up_while_the_daemon_was_away_past_the_deadline_is_up(
    world: World, machines: Machines
) -> None:
    away_past_the_deadline(world, machines)
    machines[1].start()
    restart(world)
    report = world.answer()
    world.wait_idle()
    assert report.outcome is Outcome.COMPLETED
    assert world.runs() == [report.id]


def test_a_node_that_is_down_is_blamed_only_after_an_attempt_of_the_daemon_that_is_back(
    world: World, machines: Machines
) -> None:
    away_past_the_deadline(world, machines)
    before = world.report().nodes[0]
    restart(world)
    report = world.answer()
    world.wait_idle()
    (node,) = report.nodes
    assert (report.reason, node.state) == (Reason.NODES_UNREACHABLE, "failed")
    assert node.attempts > before.attempts
    assert (node.last_attempt_at or "") > (before.last_attempt_at or "")
