"""The machine that pinakad runs on: installed as the README says, and used as a back end and an operator would."""

import json
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from container import Container, wait_for

HOST = "controller-01"
HOST_ADDRESS = "10.77.0.1"
WORK = Path("home/pinakasupport/.pinaka_wd")
MARKERS = WORK / ".markers/deplyment_status"
STATE = Path("var/lib/pinakad")
KEY = f"/{WORK}/key/ps_key.pem"
SSH = f"ssh -i {KEY} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=3"
FAST = {"delay_s": 0, "interval_s": 1, "attempts": 40}
GATE = "/var/tmp/go"
RUNS = "/var/tmp/runs"
WAITING_SCRIPT = f"echo run >>{RUNS}\nwhile [ ! -e {GATE} ]; do sleep 0.1; done\n"
"""A script that leaves a line for each time it runs, and ends when `open_gate` is called."""
README = Path(__file__).parents[2] / "README.md"


def installation() -> list[str]:
    """Return the README's commands for a server; the package comes from wheels, because no checkout is in there."""
    fence = README.read_text(encoding="utf-8").partition("<!-- command: server -->\n```sh\n")[2].partition("```")[0]
    assert "pip install '.[web]'" in fence
    return fence.replace("pip install '.[web]'", "pip install 'pinakad[web]'").splitlines()


def node_file(hostname: str, address: str) -> str:
    """Return the file of a node with one interface."""
    properties = {"IP_ADDRESS": address, "Netmask": "255.255.255.0", "DNS": "", "mtu": "1500", "gateway": ""}
    interface = {
        "interface_name": "host0",
        "type": ["Primary"],
        "vlan_id": "",
        "Bond_Slave": "NO",
        "Properties": properties,
    }
    document = {"using_interfaces": {"interface_01": interface}, "hostname": hostname, "disk": [], "roles": ["Compute"]}
    return json.dumps(document)


class Controller:
    """pinakad's machine. `nodes` has the machines that it deploys, with their addresses."""

    def __init__(self, machine: Container, nodes: dict[str, tuple[Container, str]]) -> None:
        self.machine = machine
        self.nodes = nodes

    # --- as an operator

    def install(self, wheels: str) -> None:
        """Install it for real; the container has no network, so pip gets a folder of wheels."""
        for line in installation():
            self.machine.run("env", "PIP_NO_INDEX=1", f"PIP_FIND_LINKS={wheels}", "sh", "-ec", line)
        self.machine.run("install", "-o", "pinakasupport", "-m", "0600", "/root/ps_key.pem", KEY)

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the configuration."""
        tables = {"poll": FAST, **tables}
        rows = [
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
            for name, table in tables.items()
        ]
        self.write("etc/pinakad/pinakad.toml", "\n".join(rows))

    def systemctl(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        """Run systemctl. Where it must succeed and does not, the journal tells why."""
        done = self.machine.run("systemctl", *words, check=False)
        if check and done.returncode != 0:
            told = self.machine.out("journalctl", "--no-pager", "--lines=40", check=False)
            raise AssertionError(f"systemctl {' '.join(words)} ended with {done.returncode}: {done.stderr}\n{told}")
        return done

    def show(self, name: str, unit: str = "pinakad.service") -> str:
        """Return a property of a unit."""
        return self.machine.out("systemctl", "show", f"--property={name}", "--value", unit)

    # --- as a back end

    def deploy(self, script: str, *names: str, files: dict[str, str] | None = None) -> None:
        """Write script and node files, and ask for the deployment of the named nodes."""
        self.write(WORK / ".scripts/deployment_service.sh", script, 0o755)
        self.deploy_nodes(*names, files=files)

    def deploy_nodes(self, *names: str, files: dict[str, str] | None = None) -> None:
        """Write node files, and ask for their deployment by the script that is there."""
        wanted = files if files is not None else {name: self.nodes[name][1] for name in names}
        for number, (name, address) in enumerate(wanted.items(), 1):
            self.write(WORK / f"cluster/nodes/node_{number:02d}.json", node_file(name, address))
        self.request()

    def node_text(self, name: str) -> str:
        """Return the file of one of the nodes."""
        return node_file(name, self.nodes[name][1])

    def request(self) -> None:
        """Drop the request."""
        self.machine.run("touch", f"/{MARKERS}/deployment_in_progress")

    def open_gate(self) -> None:
        """Let the waiting script go on."""
        self.machine.run("touch", GATE)

    def answer(self, limit_s: float = 60.0) -> dict[str, Any]:
        """Wait for the answer and return it."""
        wait_for("the answer", lambda: not self.has(MARKERS / "deployment_in_progress"), limit_s)
        there = [name for name in ("deployment_completed", "deployment_failed") if self.has(MARKERS / name)]
        assert len(there) == 1, there
        report: dict[str, Any] = json.loads(self.read(MARKERS / there[0]))
        return report

    # --- what there is

    def status(self) -> dict[str, Any]:
        """Return status.json; an empty one where there is none."""
        try:
            found: dict[str, Any] = json.loads(self.read("run/pinakad/status.json"))
        except OSError:
            return {"deployment": None, "daemon": None}
        return found

    def report(self) -> dict[str, Any]:
        """Return the report of the running or latest deployment."""
        return self.status()["deployment"] or {"id": "", "phase": "", "nodes": []}

    def folders(self) -> list[Path]:
        """Return the deployments' folders, below the machine's root."""
        return sorted((self._root / STATE / "deployments").iterdir())

    def wait_for_phase(self, *phases: str) -> dict[str, Any]:
        """Wait until the deployment is in one of these phases, and return its report."""
        wait_for(f"phase {phases}", lambda: self.report()["phase"] in phases)
        return self.report()

    def script_unit(self) -> str:
        """Return the unit of the latest deployment's script."""
        return f"pinakad-script@{self.folders()[-1].name}.service"

    # --- files

    @property
    def _root(self) -> Path:
        return Path(f"/proc/{self.machine.pid}/root")

    def read(self, path: str | Path) -> str:
        """Read a file of the running machine."""
        return (self._root / path).read_text(encoding="utf-8")

    def has(self, path: str | Path) -> bool:
        """Tell whether there is a file on the running machine."""
        return (self._root / path).exists()

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> None:
        """Write a file as root of the running machine."""
        place = self._root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
        place.chmod(mode)

    # --- from one test to the next

    def clean(self) -> None:
        """Bring it back to how it was installed: nothing asked, nothing known, nothing configured, not running."""
        self.systemctl("stop", "pinakad.service", "pinakad-script@*.service")
        self.systemctl("reset-failed")
        gone = (
            GATE,
            RUNS,
            f"{STATE}/deployments",
            f"{STATE}/known_hosts",
            "var/lib/pinakad-script",
            "etc/pinakad/pinakad.toml",
            "run/pinakad/status.json",
        )
        places = " ".join(f"/{path}" for path in gone)
        self.machine.run(
            "sh",
            "-c",
            f"rm -rf {places} /{MARKERS}/deployment_* /{MARKERS}/.pinakad-* /{WORK}/cluster/nodes/* /{WORK}/.scripts/*",
        )
        self.configure()
