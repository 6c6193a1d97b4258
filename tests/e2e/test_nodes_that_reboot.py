"""Is the verdict about real machines right: did they reboot, are they the right ones, do they stay?"""

from typing import Any

from container import wait_for
from controller import SSH, Controller

ADDRESSES = ("10.77.0.11", "10.77.0.12", "10.77.0.13")


def configure_and_reboot(*addresses: str) -> str:
    """Return a script that leaves its id on each node and reboots it, which may cut the connection."""
    words = '"echo $PINAKAD_DEPLOYMENT_ID >/etc/deployed && systemctl reboot"'
    return "".join(f"{SSH} root@{address} {words}\n" for address in addresses) + "exit 0\n"


def strict(**more: Any) -> dict[str, Any]:
    return {"delay_s": 0, "interval_s": 1, "attempts": 60, "reboot": "require", **more}


def test_three_nodes_that_the_script_configures_and_reboots_complete_the_deployment(controller: Controller) -> None:
    controller.configure(poll=strict())
    controller.systemctl("start", "pinakad")
    controller.deploy(configure_and_reboot(*ADDRESSES), "sqdn-01", "sqdn-02", "sqdn-03")
    report = controller.answer()
    assert report["outcome"] == "completed", report
    for node in report["nodes"]:
        machine = controller.nodes[node["hostname"]][0]
        assert (node["rebooted"], node["reboot_evidence"]) == (True, "boot_id")
        assert node["boot_id_after"] == machine.boot_id() != node["boot_id_before"]
        assert machine.out("cat", "/etc/deployed") == report["id"]


def test_a_node_that_never_goes_down_fails_the_deployment_as_not_rebooted(controller: Controller) -> None:
    controller.configure(poll=strict(attempts=8))
    controller.systemctl("start", "pinakad")
    controller.deploy(configure_and_reboot(*ADDRESSES[:2]), "sqdn-01", "sqdn-02", "sqdn-03")
    report = controller.answer()
    assert (report["outcome"], report["reason"]) == ("failed", "nodes_unreachable")
    states = {node["hostname"]: (node["state"], node["reason"], node["rebooted"]) for node in report["nodes"]}
    assert states == {
        "sqdn-01": ("up", None, True),
        "sqdn-02": ("up", None, True),
        "sqdn-03": ("failed", "not_rebooted", False),
    }


def test_a_node_that_reboots_a_second_time_is_up_only_when_it_stays(controller: Controller) -> None:
    controller.configure(poll=strict(interval_s=2, stable_checks=3))
    controller.systemctl("start", "pinakad")
    node = controller.nodes["sqdn-01"][0]
    controller.deploy(configure_and_reboot(ADDRESSES[0]), "sqdn-01")
    first = wait_for(
        "a first success", lambda: next((n for n in controller.report()["nodes"] if n["stable_count"]), None)
    )
    node.run("systemctl", "reboot")
    report = controller.answer()
    assert report["outcome"] == "completed", report
    found = report["nodes"][0]
    assert found["stable_count"] == 3
    assert found["boot_id_after"] == node.boot_id() not in (first["boot_id_before"], first["boot_id_after"])
    assert found["reasons"].get("unstable", 0) >= 1


def test_a_machine_with_another_name_is_not_taken_for_the_node(controller: Controller) -> None:
    controller.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 5, "identity": "require"})
    controller.systemctl("start", "pinakad")
    controller.deploy("exit 0\n", files={"sqdn-01": ADDRESSES[0], "sqdn-77": ADDRESSES[1]})
    report = controller.answer()
    assert (report["outcome"], report["reason"]) == ("failed", "nodes_unreachable")
    right, wrong = report["nodes"]
    assert (right["state"], right["reported_hostname"]) == ("up", "sqdn-01")
    assert (wrong["state"], wrong["reason"], wrong["reported_hostname"]) == ("failed", "wrong_host", "sqdn-02")
