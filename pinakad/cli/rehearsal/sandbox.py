"""A folder with all that a daemon needs for simulated nodes: configuration, key, node files, deployment script."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.locks import is_locked
from pinakad.login.keys import load_key
from pinakad.report.document import Report, Status
from pinakad.simulate.node import SimulatedNode, new_key
from pinakad.simulate.rack import CONTROL_ADDRESS, free_port
from pinakad.simulate.scenario import Scenario

REQUEST = "deployment_in_progress"
ANSWERS = ("deployment_completed", "deployment_failed")
DELAY_S, INTERVAL_S, ATTEMPTS = 1.0, 0.5, 60
_MAX_BYTES = 1 << 24
_GONE_LIMIT_S = 5.0
_CHECK_EVERY_S = 0.02
_NETMASK = "255.255.255.0"
_A_NET = 250  # addresses of a /24 that are used


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A simulated node: its life, and that in a word."""

    hostname: str
    address: str
    life: Scenario
    about: str


DEMO_NODES = (
    NodeSpec("demo-01", "127.0.1.1", Scenario(shutdown_s=0.4, down_s=1.8), "reboots"),
    NodeSpec("demo-02", "127.0.1.2", Scenario(shutdown_s=0.6, down_s=2.6), "reboots"),
    NodeSpec(
        "demo-03",
        "127.0.1.3",
        Scenario(shutdown_s=0.3, down_s=1.2, installer_s=1.6, new_host_key=True),
        "is reinstalled",
    ),
    NodeSpec("demo-04", "127.0.1.4", Scenario(shutdown_s=1.4, down_s=2.2), "reboots late"),
    NodeSpec("demo-05", "127.0.1.5", Scenario(shutdown_s=0.5, down_s=6.8), "is slow"),
)

_SCRIPT = """\
#!/bin/bash
# What a site's deployment script does, in small: it tells every node of this deployment to reboot.
# pinakad gives it $PINAKAD_NODES_DIR, a snapshot of the node files. It needs no other tool than bash.
# It fails where no node at all hears: who does not come back is told by pinakad.
set -euo pipefail
heard=0

for file in "$PINAKAD_NODES_DIR"/node_*.json; do
    [[ $(<"$file") =~ \\"hostname\\":\\ *\\"([^\\"]+)\\" ]]
    hostname=${BASH_REMATCH[1]}
    exec 3<>"/dev/tcp/@ADDRESS@/@PORT@"
    echo "reboot $hostname" >&3
    read -r answer <&3
    exec 3>&-
    echo "$hostname: $answer"
    if [[ $answer == ok ]]; then heard=1; fi
done
((heard))
"""


class Sandbox:
    """One work_dir with all that a deployment needs, below `root` or a new temporary folder. `close` removes it."""

    def __init__(self, cast: Sequence[NodeSpec] = DEMO_NODES, root: Path | None = None) -> None:
        self.cast = tuple(cast)
        self.root = (root or Path(tempfile.mkdtemp(prefix="pinakad-demo-"))).resolve()
        self.work_dir = self.root / "work_dir"
        self.state, self.runtime = self.root / "state", self.root / "run"
        self.config, self.log = self.root / "pinakad.toml", self.root / "pinakad.log"
        self.nodes_dir = self.work_dir / "cluster" / "nodes"
        self.markers = self.work_dir / ".markers" / "deplyment_status"
        self.script = self.work_dir / ".scripts" / "deployment_service.sh"
        self.key = self.work_dir / "key" / "ps_key.pem"
        self.token = self.root / "web-token"

    def prepare(self, trusted: Path | None = None, port: int | None = None) -> list[SimulatedNode]:
        """Make the folders and files; return the nodes, which are not started. Raises OSError.

        `trusted`: a private key that is there already, which the nodes let in; `port`: theirs.
        """
        for folder in (self.nodes_dir, self.markers, self.script.parent, self.key.parent, self.state, self.runtime):
            folder.mkdir(parents=True)
        self.key = trusted or self.key
        key = load_key(self.key) if trusted else new_key(self.key)
        port = port or free_port([actor.address for actor in self.cast])
        self.write_nodes(self.nodes_dir)
        self.config.write_text(self._config_text(port), encoding="utf-8")
        return [SimulatedNode(actor.hostname, actor.address, port, key, actor.life) for actor in self.cast]

    def write_nodes(self, folder: Path) -> None:
        """Write the node files, as a producer does."""
        for number, actor in enumerate(self.cast, start=1):
            file = folder / f"node_{number:02d}.json"
            file.write_text(json.dumps(_node_file(number, actor), indent=1) + "\n", encoding="utf-8")

    def write_script(self, control_port: int) -> None:
        """Write the deployment script, once it is known where orders are taken."""
        text = _SCRIPT.replace("@ADDRESS@", CONTROL_ADDRESS).replace("@PORT@", str(control_port))
        self.script.write_text(text, encoding="utf-8")

    def request(self) -> Path:
        """Ask for the deployment, as a front end does; return the marker."""
        marker = self.markers / REQUEST
        marker.touch()
        return marker

    def report(self) -> Report | None:
        """Return the running deployment, as the daemon's status file has it."""
        try:
            return Status.model_validate_json(read_regular(self.runtime / "status.json", _MAX_BYTES)).deployment
        except (OSError, NotRegularError, ValidationError):
            return None

    def answer(self) -> tuple[Path, Report] | None:
        """Return the answer and its path, once there is one and the request is gone."""
        if (self.markers / REQUEST).exists():
            return None
        for path in (self.markers / name for name in ANSWERS):
            if path.exists():
                return path, Report.model_validate_json(read_regular(path, _MAX_BYTES))
        return None

    async def close(self) -> None:
        """Remove everything, once the script's supervisor, which outlives the daemon, writes there no more."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _GONE_LIMIT_S
        while loop.time() < deadline_s:
            if not any(is_locked(started) for started in self.state.glob("deployments/*/started")):
                shutil.rmtree(self.root, ignore_errors=True)
            if not self.root.exists():
                return
            await asyncio.sleep(_CHECK_EVERY_S)
        shutil.rmtree(self.root)

    def _config_text(self, port: int) -> str:
        return f"""\
# the daemon's configuration for simulated nodes: short delays, and nodes on this machine
[paths]
work_dir = {json.dumps(str(self.work_dir), ensure_ascii=False)}

[ssh]
key = {json.dumps(str(self.key), ensure_ascii=False)}
port = {port}
allow_loopback = true

[poll]
delay_s = {DELAY_S}
interval_s = {INTERVAL_S}
attempts = {ATTEMPTS}
reboot = "require"    # only a node that has provably rebooted is up
identity = "require"  # and only one that names itself as its file does: an installer is not the node

[web]
token = {json.dumps(str(self.token), ensure_ascii=False)}
"""


def _node_file(number: int, actor: NodeSpec) -> dict[str, Any]:
    """Return what a producer writes for a node of the segregated layout, with a bond for its management network."""
    gateway = f"{actor.address.rpartition('.')[0]}.254"
    properties = {"IP_ADDRESS": actor.address, "Netmask": _NETMASK, "gateway": gateway, "DNS": gateway, "mtu": "1500"}
    slave = {"Bond_Slave": "YES", "Bond_Interface_Name": "bond1"}
    vxlan = {
        "IP_ADDRESS": f"198.18.{number // _A_NET}.{number % _A_NET + 1}",
        "Netmask": _NETMASK,
        "DNS": "NULL",
        "mtu": "9000",
    }
    return {
        "using_interfaces": {
            "bond1": {"interface_name": "bond1", "type": ["Mgmt"], "vlan_id": "NULL", "Properties": properties},
            "interface_01": {"interface_name": "eno1", "type": ["Mgmt"], "vlan_id": "NULL", **slave},
            "interface_02": {"interface_name": "eno2", "type": ["Mgmt"], "vlan_id": "NULL", **slave},
            "interface_03": {
                "interface_name": "ens1f0",
                "type": ["VXLAN"],
                "vlan_id": "100",
                "Bond_Slave": "NO",
                "Properties": vxlan,
            },
        },
        "hostname": actor.hostname,
        "disk": ["/dev/sda"],
        "roles": ["Control", "Compute"],
    }
