"""Does root's unit run exactly the script that the daemon has checked, and nothing on the daemon's word alone?"""

from collections.abc import Callable, Iterator

import pytest
from container import wait_for
from controller import RUNS, STATE, WORK, Controller

ID = "20261123T212455Z.0001"
SCRIPT = WORK / ".scripts/deployment_service.sh"
OTHER = "/var/tmp/other.sh"
TEXT = f"echo run >>{RUNS}\n"


def edit(controller: Controller) -> None:
    controller.machine.run("sh", "-c", f"echo 'echo edited >>{RUNS}' >>/{SCRIPT}")


def replace(controller: Controller) -> None:
    controller.write(SCRIPT.with_suffix(".new"), f"echo replaced >>{RUNS}\n", 0o755)
    controller.machine.run("mv", f"/{SCRIPT.with_suffix('.new')}", f"/{SCRIPT}")


def remove(controller: Controller) -> None:
    controller.machine.run("rm", f"/{SCRIPT}")


def name_another(controller: Controller) -> None:
    controller.write(OTHER.lstrip("/"), f"echo other >>{RUNS}\n", 0o755)
    controller.configure(paths={"script": OTHER})


@pytest.fixture
def slow_baseline(running: Controller) -> Iterator[Controller]:
    """Give the controller with a node that says nothing: there are 2 s between the check and the launch."""
    node, _ = running.nodes["sqdn-02"]
    pid = node.out("systemctl", "show", "--property=MainPID", "--value", "ssh.service")
    node.run("kill", "-STOP", pid)
    yield running
    node.run("kill", "-CONT", pid)


@pytest.mark.parametrize("change", [edit, replace, remove, name_another])
def test_a_script_that_is_changed_between_check_and_launch_is_not_run(
    slow_baseline: Controller, change: Callable[[Controller], None]
) -> None:
    controller = slow_baseline
    controller.deploy(TEXT, "sqdn-01", "sqdn-02")
    wait_for("the snapshot", lambda: (controller.folders() or [SCRIPT])[-1].joinpath("nodes").exists())
    change(controller)
    report = controller.answer()
    assert (report["outcome"], report["reason"]) == ("failed", "script_not_runnable"), report["message"]
    assert not controller.has(RUNS.lstrip("/"))


HOSTILE = {
    "of other bytes": "echo 0000 >script.sha256",
    "empty": ": >script.sha256",
    "a link": "ln -s /etc/shadow script.sha256",
    "a folder": "mkdir script.sha256",
    "a pipe": "mkfifo script.sha256",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_checksum_that_is_none_runs_nothing_and_holds_root_up_for_no_moment(running: Controller, kind: str) -> None:
    running.write(SCRIPT, TEXT, 0o755)
    folder = f"/{STATE}/deployments/{ID}"
    running.machine.run("sh", "-ec", f"mkdir -p {folder}/nodes; cd {folder}; {HOSTILE[kind]}", user="pinakasupport")
    unit = f"pinakad-script@{ID}.service"
    running.systemctl("start", unit)
    wait_for("its end", lambda: running.show("ActiveState", unit) in ("inactive", "failed"), 10)
    assert '"not_run": ' in running.read(f"{folder}/exit".lstrip("/"))
    assert not running.has(RUNS.lstrip("/"))
    assert "root:" not in running.machine.out(
        "sh", "-c", f"cat {folder}/exit {folder}/script.log; journalctl -u {unit}"
    )


def test_without_a_checksum_what_runs_is_still_roots_own_script(running: Controller) -> None:
    """A daemon of an earlier version leaves none: the unit runs the script of root's configuration."""
    running.write(SCRIPT, TEXT, 0o755)
    folder = f"/{STATE}/deployments/{ID}"
    running.machine.run("mkdir", "-p", f"{folder}/nodes", user="pinakasupport")
    running.systemctl("start", f"pinakad-script@{ID}.service")
    wait_for("its end", lambda: running.has(f"{folder}/exit".lstrip("/")))
    assert running.read(RUNS.lstrip("/")) == "run\n"
