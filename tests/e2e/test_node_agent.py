"""A node's agent on machines that really reboot: is the new network confirmed over its own address, or the old one
back, without anybody's help?
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import wait_for
from controller import SSH, Controller

import pinakad

PARTS = Path(pinakad.__file__).parent / "provision"
NODE, OLD, NEW = "sqdn-03", "10.77.0.13", "10.77.0.43"
UNITS = "etc/systemd/system"
DEADLINE_S = 12


def network(address: str) -> str:
    return f"[Match]\nName=host0\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"


def archive(address: str) -> bytes:
    """Return what is pushed: a tree of networkd's files, and the list of the paths that it owns."""
    files = {"paths": "etc/systemd/network\netc/hostname\n", "etc/systemd/network/50-new.network": network(address)}
    files["etc/hostname"] = "sqdn-03\n"
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return data.getvalue()


class Node:
    """The node, as the controller reaches it."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.machine = controller.nodes[NODE][0]
        self.boots = self.machine.boots
        self.root = Path(f"/proc/{self.machine.pid}/root")

    def install(self) -> None:
        """Bring the agent, its unit and its timer."""
        for source, place, mode in (
            ("agent.sh", "var/lib/pinakad-node/agent", 0o755),
            ("pinakad-node.service", f"{UNITS}/pinakad-node.service", 0o644),
            ("pinakad-node.timer", f"{UNITS}/pinakad-node.timer", 0o644),
        ):
            target = self.root / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text((PARTS / source).read_text(encoding="utf-8"), encoding="utf-8")
            target.chmod(mode)
        self.machine.run("systemctl", "enable", "pinakad-node.service")

    def ssh(self, address: str, command: str) -> tuple[int, str]:
        """Run a command over SSH from the controller."""
        done = self.controller.machine.run("sh", "-c", f"{SSH} root@{address} '{command}'", check=False)
        return done.returncode, done.stdout.strip()

    def arm(self, address: str = NEW, seconds: int = DEADLINE_S) -> None:
        """Put a new address on trial, and reboot."""
        raw = archive(address)
        (self.root / "var/lib/pinakad-node/pushed.tar").write_bytes(raw)
        digest = hashlib.sha256(raw).hexdigest()
        agent = "sh /var/lib/pinakad-node/agent"
        code, said = self.ssh(
            OLD, f"{agent} push {digest} </var/lib/pinakad-node/pushed.tar && {agent} arm t1 {seconds} {address}"
        )
        assert code == 0, said
        self.reboot()

    def reboot(self) -> None:
        """Reboot as its last word, and wait until it has come back."""
        boots = self.machine.boots
        self.machine.run("systemctl", "reboot", check=False)
        self.machine.wait_until_up(boots + 1)
        self.root = Path(f"/proc/{self.machine.pid}/root")

    def answers(self) -> list[str]:
        """Return the addresses at which it lets us in."""
        return [address for address in (OLD, NEW) if self.ssh(address, "true")[0] == 0]

    def status(self, address: str) -> dict[str, str]:
        """Return what its agent says."""
        found: dict[str, str] = json.loads(self.ssh(address, "sh /var/lib/pinakad-node/agent status")[1])
        return found


@pytest.fixture
def node(controller: Controller) -> Iterator[Node]:
    """Give a node with the agent; afterwards it has its old network again, and no agent."""
    node = Node(controller)
    node.install()
    yield node
    node.machine.wait_until_up()
    root = Path(f"/proc/{node.machine.pid}/root")
    for path in (root / "etc/systemd/network").iterdir():
        path.unlink()
    (root / "etc/systemd/network/10-host0.network").write_text(network(OLD), encoding="utf-8")
    gone = (
        f"/var/lib/pinakad-node /{UNITS}/pinakad-node.timer.d /{UNITS}/pinakad-node.service /{UNITS}/pinakad-node.timer"
    )
    disable = "systemctl disable pinakad-node.service pinakad-node.timer"
    node.machine.run("sh", "-c", f"{disable}; rm -rf {gone}; systemctl daemon-reload; networkctl reload", check=False)
    node.reboot()


def test_a_network_that_is_confirmed_over_its_own_address_stays(node: Node) -> None:
    node.arm()
    wait_for("the new address", lambda: node.answers() == [NEW])
    assert node.status(NEW)["state"] == "trial"
    assert node.ssh(NEW, "sh /var/lib/pinakad-node/agent confirm t1")[0] == 0
    assert node.status(NEW)["state"] == "confirmed"
    node.reboot()
    wait_for("the new address again", lambda: node.answers() == [NEW])
    assert node.machine.out("systemctl", "is-active", "pinakad-node.timer", check=False) == "inactive"


def test_a_controller_that_is_gone_after_the_arming_loses_no_node(node: Node) -> None:
    boots = node.machine.boots
    node.arm()
    node.machine.wait_until_up(boots + 2)  # nobody has confirmed: it goes back by itself
    wait_for("the old address", lambda: node.answers() == [OLD])
    found = node.status(OLD)
    assert (found["state"], found["why"]) == ("rolled_back", f"the new network was not confirmed within {DEADLINE_S} s")


def test_a_network_that_leads_nowhere_goes_back(node: Node) -> None:
    boots = node.machine.boots
    node.arm("192.0.2.43")
    node.machine.wait_until_up(boots + 2)
    wait_for("the old address", lambda: node.answers() == [OLD])


def test_a_machine_that_is_switched_off_and_on_during_the_trial_has_its_old_network_at_once(node: Node) -> None:
    node.arm(seconds=600)
    wait_for("the new address", lambda: node.answers() == [NEW])
    node.reboot()
    wait_for("the old address", lambda: node.answers() == [OLD])
    assert "booted again" in node.status(OLD)["why"]
