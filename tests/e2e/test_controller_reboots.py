"""What becomes of a deployment when the machine that runs it goes down in the middle?"""

from container import wait_for
from controller import HOST, RUNS, SSH, WAITING_SCRIPT, Controller

REBOOT_ALL_AND_ONESELF = f"""echo run >>{RUNS}
{SSH} root@10.77.0.11 systemctl reboot
systemctl reboot
sleep 1000
"""


def test_a_deployment_that_includes_the_controller_goes_on_after_the_reboot_and_completes(
    controller: Controller,
) -> None:
    controller.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 60}, ssh={"user": "root"})
    controller.systemctl("start", "pinakad")
    boots = controller.machine.boots
    controller.deploy(REBOOT_ALL_AND_ONESELF, HOST, "sqdn-01")
    controller.machine.wait_until_up(boots + 1)
    report = controller.answer()
    assert report["outcome"] == "completed", (report["reason"], report["message"], report["script"], report["nodes"])
    assert report["script"]["state"] == "interrupted"
    assert {node["hostname"]: (node["this_host"], node["rebooted"]) for node in report["nodes"]} == {
        HOST: (True, True),
        "sqdn-01": (False, True),
    }
    assert controller.machine.out("cat", RUNS) == "run"
    assert len(controller.folders()) == 1


def test_a_deployment_that_does_not_include_the_controller_was_interrupted_by_its_reboot(running: Controller) -> None:
    boots = running.machine.boots
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    running.wait_for_phase("polling")
    running.systemctl("reboot")
    running.machine.wait_until_up(boots + 1)
    report = running.answer()
    assert (report["outcome"], report["reason"]) == ("failed", "script_interrupted")
    assert report["script"]["exit_code"] is None
    assert running.machine.out("cat", RUNS) == "run"
    assert len(running.folders()) == 1


def test_a_power_cut_is_no_end_of_the_script_either(running: Controller) -> None:
    boots = running.machine.boots
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    running.wait_for_phase("polling")
    running.machine.run("systemctl", "reboot", "--force", "--force", check=False)
    running.machine.wait_until_up(boots + 1)
    wait_for("the daemon", lambda: running.show("SubState") == "running")
    assert running.answer()["reason"] == "script_interrupted"
