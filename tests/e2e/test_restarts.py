"""Does a deployment live through whatever is done to the daemon, with one script, one deadline and one answer?"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from container import wait_for
from controller import MARKERS, RUNS, WAITING_SCRIPT, Controller
from wheels import UPGRADE


def restart(controller: Controller) -> None:
    controller.systemctl("restart", "pinakad")


def kill(controller: Controller) -> None:
    before = int(controller.show("NRestarts"))
    controller.systemctl("kill", "--signal=KILL", "--kill-whom=main", "pinakad")
    wait_for("systemd to start it again", lambda: int(controller.show("NRestarts")) > before)
    wait_until_ready(controller)


def upgrade(controller: Controller) -> None:
    pip = ["/opt/pinakad/bin/pip", "install", "--quiet", "--no-index", "--find-links=/opt/upgrade", "--no-deps"]
    controller.machine.run(*pip, f"pinakad=={UPGRADE}")
    controller.machine.run("/opt/pinakad/bin/pinakactl", "setup")
    controller.systemctl("restart", "pinakad")
    assert controller.status()["daemon"]["version"] == UPGRADE


def stop_for_ten_seconds(controller: Controller) -> None:
    controller.systemctl("stop", "pinakad")
    controller.machine.run("sleep", "10")
    controller.systemctl("start", "pinakad")


ACTIONS = pytest.mark.parametrize("action", [restart, kill, upgrade, stop_for_ten_seconds])


@pytest.fixture(autouse=True)
def same_version(installed: Controller) -> Any:
    """Whatever was upgraded is brought back."""
    yield
    if installed.status()["daemon"]["version"] == UPGRADE:
        pip = ["/opt/pinakad/bin/pip", "install", "--quiet", "--no-index", "--find-links=/opt/wheels", "--no-deps"]
        installed.machine.run(*pip, "pinakad<99")


def wait_until_ready(controller: Controller) -> None:
    wait_for("the service to be ready", lambda: controller.show("SubState") == "running")


def started(controller: Controller) -> dict[str, Any]:
    """Return what the supervisor left of its start."""
    found: dict[str, Any] = json.loads((controller.folders()[-1] / "started").read_text(encoding="utf-8"))
    return found


def check_one_run(controller: Controller, report: dict[str, Any], before: dict[str, Any]) -> None:
    assert controller.machine.out("cat", RUNS) == "run"
    assert [folder.name for folder in controller.folders()] == [report["id"]]
    assert started(controller) == before
    assert report["script"]["pid"] == before["script_pid"]
    answers = [name for name in ("deployment_completed", "deployment_failed") if controller.has(MARKERS / name)]
    assert len(answers) == 1


@ACTIONS
def test_a_running_script_is_not_touched_and_its_exit_status_counts(
    running: Controller, action: Callable[[Controller], None]
) -> None:
    running.deploy(f"{WAITING_SCRIPT}exit 7\n", "sqdn-01")
    running.wait_for_phase("polling")
    before = started(running)
    action(running)
    assert running.show("ActiveState", running.script_unit()) == "active"
    running.open_gate()
    report = running.answer()
    assert (report["reason"], report["script"]["exit_code"]) == ("script_failed", 7)
    check_one_run(running, report, before)


@ACTIONS
def test_polling_goes_on_to_the_same_end(controller: Controller, action: Callable[[Controller], None]) -> None:
    controller.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 40, "reboot": "require"})
    controller.systemctl("start", "pinakad")
    controller.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    wait_for("an attempt", lambda: any(node["reason"] == "not_rebooted" for node in controller.report()["nodes"]))
    before, launched = started(controller), controller.report()["clock"]
    action(controller)
    controller.nodes["sqdn-01"][0].run("systemctl", "reboot")
    report = controller.answer()
    assert (report["outcome"], report["nodes"][0]["rebooted"]) == ("completed", True)
    assert report["clock"]["launched_boot_s"] == launched["launched_boot_s"]
    check_one_run(controller, report, before)


def test_the_end_of_polling_stands_over_a_restart(controller: Controller) -> None:
    timeouts = {f"{step}_timeout_s": 0.5 for step in ("connect", "banner", "auth", "command")}
    poll = {"delay_s": 0, "interval_s": 1, "attempts": 10, "reboot": "require"}
    controller.configure(poll=poll, ssh=timeouts)
    controller.systemctl("start", "pinakad")
    controller.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    controller.wait_for_phase("polling")
    before = started(controller)
    controller.systemctl("restart", "pinakad")
    report = controller.answer()
    assert report["reason"] == "nodes_unreachable"
    ended_s = datetime.fromisoformat(report["finished_at"]).timestamp() - before["wall_s"]
    assert 10 <= ended_s < 12
    check_one_run(controller, report, before)


def test_a_daemon_that_is_killed_again_and_again_runs_the_script_once(running: Controller) -> None:
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    for _ in range(3):
        kill(running)
    wait_for("the script", lambda: running.machine.run("test", "-e", RUNS, check=False).returncode == 0)
    before = started(running)
    running.open_gate()
    report = running.answer()
    assert report["outcome"] == "completed"
    check_one_run(running, report, before)
