"""The shipped deployment program on machines that really reboot: from node files and a marker to new addresses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container import wait_for
from controller import SSH, WORK, Controller, node_file
from test_node_agent import network

from pinakad.provision.tree import GENERATOR

PROGRAM = 'exec /opt/pinakad/bin/pinakad-provision "$PINAKAD_NODES_DIR"\n'
READY = "sh /var/lib/pinakad-node/agent confirm"
NEW = {"sqdn-01": "10.77.0.41", "sqdn-02": "10.77.0.42", "sqdn-03": "10.77.0.43"}


@pytest.fixture
def site(controller: Controller) -> Iterator[Controller]:
    """Give a controller whose script is the program; afterwards each node has its old network again."""
    if not GENERATOR.exists():
        pytest.skip("there is no netplan generator (apt-get install netplan.io)")
    poll = {"delay_s": 0, "interval_s": 1, "attempts": 60, "reboot": "require", "identity": "require"}
    controller.configure(poll=poll | {"ready_command": READY}, provision={"deadline_s": 20})
    controller.write(WORK / ".scripts/deployment_service.sh", PROGRAM, 0o755)
    controller.systemctl("start", "pinakad")
    yield controller
    for name in NEW:
        restore(controller, name)


def restore(controller: Controller, name: str) -> None:
    machine, address = controller.nodes[name]
    machine.wait_until_up()
    root = Path(f"/proc/{machine.pid}/root")
    for path in (root / "etc/systemd/network").iterdir():
        path.unlink()
    (root / "etc/systemd/network/10-host0.network").write_text(network(address), encoding="utf-8")
    gone = "/var/lib/pinakad-node /etc/systemd/system/pinakad-node.*"
    machine.run("sh", "-c", f"systemctl disable pinakad-node.service; rm -rf {gone}", check=False)
    boots = machine.boots
    machine.run("systemctl", "reboot", check=False)
    machine.wait_until_up(boots + 1)


def files(controller: Controller, changed: dict[str, dict[str, str]] | None = None) -> None:
    """Write the node files: a new address each, and where the node is now."""
    for number, (name, address) in enumerate(NEW.items(), 1):
        document: dict[str, Any] = json.loads(node_file(name, address))
        document["ssh"] = {"current": controller.nodes[name][1], "user": "root"}
        document["using_interfaces"]["interface_01"]["Properties"] |= (changed or {}).get(name, {})
        controller.write(WORK / f"cluster/nodes/node_{number:02d}.json", json.dumps(document))


def steps(controller: Controller) -> list[tuple[str, str, bool]]:
    """Return what the program says that it did: node, step, whether it succeeded."""
    log = controller.read(f"var/lib/pinakad/deployments/{controller.folders()[-1].name}/script.log")
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    return [(line["node"], line["step"], line["ok"]) for line in lines]


def answers(controller: Controller, address: str) -> bool:
    command = f"{SSH} root@{address} true"
    return controller.machine.run("sh", "-c", command, check=False).returncode == 0


def test_three_nodes_get_new_addresses_and_the_second_time_nothing_is_changed(site: Controller) -> None:
    files(site)
    dry = site.machine.run("/opt/pinakad/bin/pinakad-provision", f"/{WORK}/cluster/nodes", "--dry-run", check=False)
    assert dry.returncode == 0, dry.stderr
    assert "sqdn-01: +Address=10.77.0.41/24" in dry.stderr
    assert "sqdn-01: -Address=10.77.0.11/24" in dry.stderr
    assert all(answers(site, site.nodes[name][1]) for name in NEW)
    site.request()
    report = site.answer(180)
    assert report["outcome"] == "completed", (report["message"], steps(site))
    assert [(node["address"], node["rebooted"]) for node in report["nodes"]] == [(new, True) for new in NEW.values()]
    done = steps(site)
    assert [step for node, step, _ in done if node == "sqdn-01"] == [
        "connect", "facts", "render", "push", "arm", "reboot",
    ]  # fmt: skip
    first, second = done.index(("sqdn-01", "reboot", True)), done.index(("sqdn-02", "connect", True))
    assert first < second, "the second wave begins when the first node was confirmed"
    for name in NEW:
        assert not answers(site, site.nodes[name][1])
    site.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 20, "ready_command": READY})
    site.systemctl("reload", "pinakad")
    boots = {name: site.nodes[name][0].boots for name in NEW}
    site.request()
    again = site.answer(120)
    assert again["outcome"] == "completed", again["message"]
    assert {step for _, step, _ in steps(site)} == {"connect", "facts", "render", "validate"}
    assert {name: site.nodes[name][0].boots for name in NEW} == boots


def test_a_node_whose_new_network_leads_nowhere_goes_back_and_the_other_waves_are_not_touched(site: Controller) -> None:
    files(site, {"sqdn-01": {"IP_ADDRESS": "10.99.0.41"}})
    site.request()
    report = site.answer(240)
    assert (report["outcome"], report["reason"]) == ("failed", "script_failed"), report["message"]
    went_back = site.nodes["sqdn-01"][1]
    wait_for("the old address", lambda: answers(site, went_back))
    assert not [step for node, step, _ in steps(site) if node in ("sqdn-02", "sqdn-03")]
    assert steps(site)[-1] == ("", "waves", False)
