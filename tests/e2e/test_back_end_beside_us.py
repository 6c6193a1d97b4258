"""Is a script that a back end of root's starts itself seen by a daemon that is locked down, and never run twice?"""

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from container import wait_for
from controller import GATE, MARKERS, RUNS, WORK, Controller

SCRIPTS = f"/{WORK}/.scripts"
TRIES = 6
MANY_TRIES = 60
SEED = 20261125
BACK_END = f"""
import json, os, subprocess, sys, time
os.chdir("{SCRIPTS}")
command, delay_s = json.loads(sys.argv[1]), float(sys.argv[2])
if delay_s >= 0:
    open("/{MARKERS}/deployment_in_progress", "w").close()
    time.sleep(delay_s)
feed = open("deployment_service.sh") if command[-1] == "bash" else None
subprocess.run(command, stdin=feed)
"""
WHO = f'#!/bin/bash\necho "${{PINAKAD_DEPLOYMENT_ID:-by-hand}}" >>{RUNS}\n'
SHORT = f"{WHO}sleep 0.5\n"
WAITING = f"{WHO}while [ ! -e {GATE} ]; do sleep 0.1; done\nexit 7\n"
COMMANDS = (
    '["bash", "deployment_service.sh"]',
    '["./deployment_service.sh"]',
    f'["/bin/sh", "-e", "{SCRIPTS}/deployment_service.sh"]',
    f'["sh", "-c", "exec /bin/bash {SCRIPTS}/deployment_service.sh >/dev/null 2>&1"]',
)
FED = '["bash"]'
"""The script comes from stdin, which the daemon cannot see of a process of root's; root's side can."""
FrozenNode = Callable[[bool], None]


@pytest.fixture(autouse=True)
def no_back_end_stays(installed: Controller) -> Iterator[None]:
    """Whatever has gone wrong, the next test begins without it."""
    yield
    installed.systemctl("stop", "back-end.service", check=False)


@pytest.fixture
def frozen_node(controller: Controller) -> Iterator[FrozenNode]:
    """Give what stops the sshd of sqdn-02, or lets it go on: for one that says nothing the baseline waits 2 s."""
    node, _ = controller.nodes["sqdn-02"]
    pid = node.out("systemctl", "show", "--property=MainPID", "--value", "ssh.service")

    def freeze(frozen: bool) -> None:
        node.run("kill", "-STOP" if frozen else "-CONT", pid)

    yield freeze
    freeze(False)


def start_back_end(controller: Controller, command: str, delay_s: float) -> None:
    """Let a service of root's ask for a deployment and then start the script; with a negative delay only the latter."""
    controller.write("opt/web/app.py", BACK_END)
    words = ["systemd-run", "--quiet", "--collect", "--unit=back-end", "/usr/bin/python3", "/opt/web/app.py"]
    controller.machine.run(*words, command, str(delay_s))


def write_nodes(controller: Controller, *names: str) -> None:
    for number, name in enumerate(names, 1):
        controller.write(WORK / f"cluster/nodes/node_{number:02d}.json", controller.node_text(name))


def runs(controller: Controller) -> list[str]:
    return controller.read(RUNS.lstrip("/")).split() if controller.has(RUNS.lstrip("/")) else []


def codes(report: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in report["problems"]]


def wait_for_its_end(controller: Controller) -> None:
    wait_for("the back end's end", lambda: controller.show("ActiveState", "back-end.service") in ("inactive", "failed"))


def one_try(controller: Controller, freeze: FrozenNode, command: str, delay_s: float) -> None:
    """Ask, and start the script a moment later: it is adopted, and its run is the only one."""
    before = len(runs(controller))
    freeze(True)
    start_back_end(controller, command, delay_s)
    wait_for("the run", lambda: len(runs(controller)) > before)
    wait_for("its adoption", lambda: (controller.report().get("script") or {}).get("state"))
    freeze(False)
    report = controller.answer()
    wait_for_its_end(controller)
    assert runs(controller)[before:] == ["by-hand"], (command, delay_s)
    assert report["script"]["adopted"], (command, delay_s)
    assert (report["script"]["state"], report["script"]["exit_code"]) == ("exited", None)
    assert report["outcome"] == "completed", report["message"]
    assert set(codes(report)) & {"script_adopted", "script_doubled"} == {"script_adopted"}


def try_often(controller: Controller, freeze: FrozenNode, number_of_tries: int) -> None:
    controller.systemctl("start", "pinakad")
    controller.write(WORK / ".scripts/deployment_service.sh", SHORT, 0o755)
    write_nodes(controller, "sqdn-01", "sqdn-02")
    dice = random.Random(SEED)  # noqa: S311 - nothing secret
    for number in range(number_of_tries):
        one_try(controller, freeze, COMMANDS[number % len(COMMANDS)], dice.random())


def test_starts_of_roots_at_any_moment_before_our_launch_are_adopted(
    controller: Controller, frozen_node: FrozenNode
) -> None:
    try_often(controller, frozen_node, TRIES)


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_many_starts_of_roots_at_any_moment_before_our_launch_are_adopted(
    controller: Controller, frozen_node: FrozenNode
) -> None:
    try_often(controller, frozen_node, MANY_TRIES)


def test_one_of_roots_that_only_root_can_see_is_adopted_by_roots_side(running: Controller) -> None:
    running.write(WORK / ".scripts/deployment_service.sh", WAITING, 0o755)
    write_nodes(running, "sqdn-01")
    start_back_end(running, FED, 0)
    wait_for("the run", lambda: runs(running))
    wait_for("its adoption", lambda: (running.report().get("script") or {}).get("adopted"))
    running.open_gate()
    report = running.answer()
    assert report["outcome"] == "completed", report["message"]
    assert runs(running) == ["by-hand"]


def restart(controller: Controller) -> None:
    controller.systemctl("restart", "pinakad")


def kill(controller: Controller) -> None:
    before = int(controller.show("NRestarts"))
    controller.systemctl("kill", "--signal=KILL", "--kill-whom=main", "pinakad")
    wait_for("systemd to start it again", lambda: int(controller.show("NRestarts")) > before)


def adopt(controller: Controller, script: str) -> dict[str, Any]:
    """Let a back end run the script, ask for a deployment, and return its report when the script was adopted."""
    controller.systemctl("start", "pinakad")
    controller.write(WORK / ".scripts/deployment_service.sh", script, 0o755)
    write_nodes(controller, "sqdn-01")
    start_back_end(controller, COMMANDS[0], -1)
    wait_for("the run", lambda: runs(controller))
    controller.request()
    report = controller.wait_for_phase("polling")
    wait_for("its adoption", lambda: controller.report()["script"]["state"] == "running")
    return report


@pytest.mark.parametrize("action", [restart, kill])
def test_an_adopted_run_is_followed_whatever_is_done_to_the_daemon(
    controller: Controller, action: Callable[[Controller], None]
) -> None:
    adopt(controller, WAITING)
    action(controller)
    wait_for("the daemon", lambda: controller.show("SubState") == "running")
    assert controller.report()["phase"] == "polling"
    controller.open_gate()
    report = controller.answer()
    assert (report["outcome"], report["script"]["adopted"]) == ("completed", True)
    assert report["script"]["exit_code"] is None  # it was 7, which nobody told
    assert runs(controller) == ["by-hand"]


def test_an_adopted_run_that_ends_while_the_daemon_is_down_is_over(controller: Controller) -> None:
    adopt(controller, WAITING)
    controller.systemctl("stop", "pinakad")
    controller.open_gate()
    wait_for_its_end(controller)
    controller.systemctl("start", "pinakad")
    report = controller.answer()
    assert (report["outcome"], report["script"]["state"]) == ("completed", "exited")
    assert runs(controller) == ["by-hand"]


def test_a_reboot_of_the_host_interrupts_an_adopted_run(controller: Controller) -> None:
    boots = controller.machine.boots
    adopt(controller, WAITING)
    controller.systemctl("reboot")
    controller.machine.wait_until_up(boots + 1)
    assert controller.answer()["reason"] == "script_interrupted"
    assert runs(controller) == ["by-hand"]
    controller.deploy("exit 0\n", "sqdn-01")
    assert controller.answer()["outcome"] == "completed"


def test_a_cancel_of_a_run_that_is_roots_own_tells_that_it_goes_on(controller: Controller) -> None:
    adopt(controller, WAITING)
    controller.machine.run("touch", f"/{MARKERS}/deployment_cancel")
    report = controller.answer()
    assert report["outcome"] == "cancelled"
    assert (report["script"]["state"], report["script"]["adopted"]) == ("running", True)
    assert codes(report).count("script_left_running") == 1
    assert "still runs the script" in report["message"]
    assert controller.show("ActiveState", "back-end.service") == "active"
    controller.open_gate()
    wait_for_its_end(controller)


def test_where_it_is_refused_a_run_of_roots_is_named_and_nothing_is_launched(controller: Controller) -> None:
    controller.configure(script={"foreign": "refuse"})
    controller.systemctl("start", "pinakad")
    controller.write(WORK / ".scripts/deployment_service.sh", WAITING, 0o755)
    start_back_end(controller, COMMANDS[0], -1)
    wait_for("the run", lambda: runs(controller))
    controller.deploy_nodes("sqdn-01")
    report = controller.answer()
    assert report["reason"] == "script_already_running"
    controller.open_gate()
    wait_for_its_end(controller)
    assert runs(controller) == ["by-hand"]


@pytest.mark.parametrize("delay_s", [-1, 0, 0.5, 1])
def test_a_script_that_is_not_ours_to_launch_is_waited_for(controller: Controller, delay_s: float) -> None:
    controller.configure(script={"launch": False})
    controller.systemctl("start", "pinakad")
    controller.write(WORK / ".scripts/deployment_service.sh", WAITING, 0o755)
    write_nodes(controller, "sqdn-01")
    start_back_end(controller, COMMANDS[0], delay_s)
    wait_for("the run", lambda: runs(controller))
    if delay_s < 0:
        controller.request()
    controller.wait_for_phase("polling")
    wait_for("it in the report", lambda: (controller.report().get("script") or {}).get("state") == "running")
    wait_for("the node", lambda: controller.report()["nodes"][0]["state"] == "up")
    assert controller.has(MARKERS / "deployment_in_progress")
    controller.open_gate()
    report = controller.answer()
    assert (report["outcome"], report["script"]["adopted"]) == ("completed", True)
    assert runs(controller) == ["by-hand"]


def test_one_of_roots_that_begins_after_our_launch_is_told_and_both_ends_are_waited_for(running: Controller) -> None:
    running.deploy(WAITING.replace("exit 7", "exit 0"), "sqdn-01")
    wait_for("our run", lambda: runs(running))
    start_back_end(running, COMMANDS[0], -1)
    wait_for("the other", lambda: len(runs(running)) == 2)
    wait_for(
        "a word about it",
        lambda: "it is run twice" in running.machine.out("journalctl", "-u", "pinakad", "-o", "cat", "-n", "50"),
    )
    running.open_gate()
    report = running.answer()
    assert (report["outcome"], report["script"]["adopted"]) == ("completed", False)
    assert "script_doubled" in codes(report)
    assert running.show("ActiveState", "back-end.service") in ("inactive", "failed")
