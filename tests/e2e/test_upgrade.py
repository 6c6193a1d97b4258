"""Does a machine that runs the version before this one come over to it, with a deployment under way?"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from container import wait_for
from controller import MARKERS, RUNS, STATE, WAITING_SCRIPT, Controller
from wheels import build_former_wheel

pytestmark = pytest.mark.long  # it needs this repository's history

PINAKACTL = "/opt/pinakad/bin/pinakactl"


@pytest.fixture(scope="module")
def former_wheel(installed: Controller) -> None:
    build_former_wheel(installed.machine.overlay.root / "opt")


def install(controller: Controller, folder: str) -> None:
    """Do what the README says for an upgrade; both versions have one number."""
    words = ["install", "--quiet", "--force-reinstall", "--no-index", "--no-deps", f"--find-links=/opt/{folder}"]
    controller.machine.run("/opt/pinakad/bin/pip", *words, "pinakad<99")
    controller.machine.run(PINAKACTL, "setup")


def forget_all(controller: Controller) -> None:
    controller.machine.run(PINAKACTL, "setup", "--remove")
    controller.machine.run("sh", "-c", f"rm -rf /{STATE} /var/lib/pinakad-script /run/pinakad")


@pytest.fixture
def former(controller: Controller, former_wheel: None) -> Iterator[Controller]:
    """Give a machine on which the version before this one runs as it was installed then."""
    forget_all(controller)
    install(controller, "former")
    controller.systemctl("start", "pinakad")
    yield controller
    controller.clean()
    forget_all(controller)
    install(controller, "wheels")


def upgrade(controller: Controller) -> None:
    install(controller, "wheels")
    controller.systemctl("restart", "pinakad")
    assert controller.show("ActiveState", "pinakad-launch.socket") == "active"


def started(controller: Controller) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((controller.folders()[0] / "started").read_text(encoding="utf-8"))
    return found


def check_that_the_next_one_works(controller: Controller) -> None:
    controller.deploy(f"echo next >>{RUNS}\n", "sqdn-01", "sqdn-02")
    report = controller.answer()
    assert report["outcome"] == "completed", report["message"]
    assert controller.machine.out("cat", RUNS).split() == ["run", "next"]
    said = controller.machine.out(PINAKACTL, "history")
    assert all(folder.name in said for folder in controller.folders()), said
    assert len(controller.folders()) == 2


@pytest.mark.parametrize("code", [0, 7])
def test_a_script_that_the_version_before_has_started_ends_well(former: Controller, code: int) -> None:
    former.deploy(f"{WAITING_SCRIPT}exit {code}\n", "sqdn-01")
    former.wait_for_phase("polling")
    before = started(former)
    upgrade(former)
    assert former.report()["phase"] == "polling"
    assert former.show("ActiveState", former.script_unit()) == "active"
    former.open_gate()
    report = former.answer()
    assert report["outcome"] == ("completed" if code == 0 else "failed"), report["message"]
    assert (report["script"]["exit_code"], report["script"]["pid"]) == (code, before["script_pid"])
    assert started(former) == before
    check_that_the_next_one_works(former)


def test_a_script_that_the_version_before_has_started_can_be_cancelled(former: Controller) -> None:
    hidden = "env -i setsid bash -c '(sleep 60781 &)'; "
    former.deploy(f"echo run >>{RUNS}; {hidden}sleep 60782\n", "sqdn-01")
    former.wait_for_phase("polling")
    upgrade(former)
    former.machine.run("touch", f"/{MARKERS}/deployment_cancel")
    report = former.answer()
    assert (report["outcome"], report["script"]["signal"]) == ("cancelled", 15)
    assert former.machine.run("pgrep", "-f", "sleep 6078", check=False).returncode == 1
    check_that_the_next_one_works(former)


def test_what_the_version_before_has_polled_is_polled_to_the_same_end(former: Controller) -> None:
    former.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 60, "reboot": "require"})
    former.systemctl("reload", "pinakad")
    wait_for(
        "the reload",
        lambda: "the configuration was read again" in former.machine.out("journalctl", "-u", "pinakad", "-o", "cat"),
    )
    former.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    wait_for("an attempt", lambda: any(node["reason"] == "not_rebooted" for node in former.report()["nodes"]))
    upgrade(former)
    former.nodes["sqdn-01"][0].run("systemctl", "reboot")
    report = former.answer()
    assert (report["outcome"], report["nodes"][0]["rebooted"]) == ("completed", True), report["message"]
    former.configure()
    former.systemctl("reload", "pinakad")
    check_that_the_next_one_works(former)


def test_a_request_that_the_version_before_did_not_take_is_served_once(former: Controller) -> None:
    former.systemctl("stop", "pinakad")
    former.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    upgrade(former)
    assert former.answer()["outcome"] == "completed"
    check_that_the_next_one_works(former)
