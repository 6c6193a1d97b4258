"""Does everything that a cancelled run has started end with its unit, and is the rest of a run known as ours?"""

from collections.abc import Iterator

import pytest
from container import wait_for
from controller import GATE, MARKERS, RUNS, STATE, WAITING_SCRIPT, Controller

HIDDEN = "env -i setsid bash -c '(sleep 60771 & sleep 60772 &)' & sleep 60773 & disown -a\n"
"""Daemons of its own, in clean environments and sessions."""


def left(controller: Controller) -> list[str]:
    return controller.machine.out("pgrep", "-f", "sleep 6077", check=False).split()


@pytest.fixture
def silent_node(running: Controller) -> Iterator[Controller]:
    """Give the controller with a node that does not come up."""
    node, _ = running.nodes["sqdn-02"]
    pid = node.out("systemctl", "show", "--property=MainPID", "--value", "ssh.service")
    node.run("kill", "-STOP", pid)
    yield running
    node.run("kill", "-CONT", pid)


@pytest.mark.parametrize("when", ["while it runs", "after its exit", "after its exit and a restart"])
def test_a_cancel_ends_all_that_hides(silent_node: Controller, when: str) -> None:
    controller = silent_node
    controller.deploy(HIDDEN + ("sleep 60774\n" if when == "while it runs" else "exit 0\n"), "sqdn-02")
    wait_for("what it started", lambda: len(left(controller)) == (4 if when == "while it runs" else 3))
    if when != "while it runs":
        wait_for("its exit", lambda: (controller.report().get("script") or {}).get("state") == "exited")
    if when.endswith("restart"):
        controller.systemctl("restart", "pinakad")
    controller.machine.run("touch", f"/{MARKERS}/deployment_cancel")
    report = controller.answer()
    assert report["outcome"] == "cancelled"
    assert left(controller) == []
    assert controller.show("ActiveState", controller.script_unit()) == "inactive"


def test_what_an_earlier_run_left_is_not_called_somebody_elses(controller: Controller) -> None:
    controller.configure(script={"foreign": "refuse"})
    controller.systemctl("start", "pinakad")
    script = f"if [ ! -e {GATE} ]; then touch {GATE}; (sleep 60779; :) & fi\n"
    controller.deploy(script, "sqdn-01")
    assert controller.answer()["outcome"] == "completed"
    controller.request()
    report = controller.answer()
    assert report["outcome"] == "completed", report["message"]
    assert [problem["code"] for problem in report["problems"]].count("script_left_running") == 1
    assert not report["script"]["adopted"]
    controller.machine.run("pkill", "-f", "sleep 60779")


def test_a_run_whose_whole_state_was_removed_while_no_daemon_ran_is_not_begun_again(running: Controller) -> None:
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    report = running.wait_for_phase("polling")
    unit = running.script_unit()
    running.systemctl("stop", "pinakad")
    running.machine.run("sh", "-c", f"rm -rf /{STATE}/*")
    running.systemctl("start", "pinakad")
    answer = running.answer()
    assert answer["reason"] == "state_unreadable", answer["message"]
    assert report["id"] in answer["message"]
    assert "still runs" in answer["message"]
    assert running.machine.out("cat", RUNS) == "run"
    running.open_gate()
    wait_for("its end", lambda: running.show("ActiveState", unit) in ("inactive", "failed"))
