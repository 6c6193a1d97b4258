"""The fixtures of the tests on a real systemd: a lab, nodes and a controller, made once and cleaned for each test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from container import Container
from controller import HOST, HOST_ADDRESS, Controller
from lab import Lab, why_not
from wheels import build_wheels

NODES = {"sqdn-01": "10.77.0.11", "sqdn-02": "10.77.0.12", "sqdn-03": "10.77.0.13"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test waits for the wheels and the installation too; all of them share one lab."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))
            item.add_marker(pytest.mark.xdist_group("e2e"))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """Give the lab. Without root or systemd-nspawn the test is skipped, but not where CI is to prove something."""
    problem = why_not()
    if problem and os.environ.get("CI") == "true":
        pytest.fail(problem)
    if problem:
        pytest.skip(problem)
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def key(lab: Lab) -> Path:
    """Make the key that the nodes let in."""
    key = lab.folder / "ps_key.pem"
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(words, check=True)
    return key


@pytest.fixture(scope="session")
def nodes(lab: Lab, key: Path) -> dict[str, tuple[Container, str]]:
    """Switch on the nodes; nobody waits for them yet."""
    return {name: (_node(lab, key, name, address), address) for name, address in NODES.items()}


def _node(lab: Lab, key: Path, name: str, address: str) -> Container:
    """A machine that root and pinakasupport may log in to."""
    overlay = lab.overlay(name)
    overlay.prepare(name, address, ["ssh.service"])
    user = "u pinakasupport 900 - /home/pinakasupport /bin/bash\n"
    words = ["systemd-sysusers", f"--root={overlay.root}", "--inline", user]
    subprocess.run(words, check=True, capture_output=True)
    public = key.with_suffix(".pem.pub").read_text(encoding="utf-8")
    for home, number in (("root", 0), ("home/pinakasupport", 900)):
        place = overlay.write(f"{home}/.ssh/authorized_keys", public, 0o600)
        for path in (place, place.parent, place.parent.parent):
            os.chown(path, number, number)
        place.parent.chmod(0o700)
    return lab.boot(name, overlay)


@pytest.fixture(scope="session")
def installed(lab: Lab, key: Path, nodes: dict[str, tuple[Container, str]]) -> Controller:
    """Switch on the controller and install pinakad on it as the README says."""
    overlay = lab.overlay(HOST)
    overlay.prepare(HOST, HOST_ADDRESS, ["ssh.service"])
    shutil.rmtree(overlay.root / "opt")
    overlay.write("root/.ssh/authorized_keys", key.with_suffix(".pem.pub").read_text(encoding="utf-8"), 0o600)
    overlay.write("root/ps_key.pem", key.read_text(encoding="utf-8"), 0o600)
    build_wheels(overlay.root / "opt")
    machine = lab.boot(HOST, overlay)
    machine.wait_until_up()
    controller = Controller(machine, nodes | {HOST: (machine, HOST_ADDRESS)})
    controller.install("/opt/wheels")
    for node, _ in nodes.values():
        node.wait_until_up()
    return controller


@pytest.fixture
def controller(installed: Controller) -> Controller:
    """Give the controller as it was installed, with every machine up and the daemon not running."""
    for machine, _ in installed.nodes.values():
        machine.wait_until_up()
    installed.clean()
    return installed


@pytest.fixture
def running(controller: Controller) -> Controller:
    """Give the controller with the daemon running."""
    controller.systemctl("start", "pinakad")
    return controller
