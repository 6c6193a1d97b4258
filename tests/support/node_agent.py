"""The agent of a node on a root of its own: run, killed after any of its lines, and the machine booted again."""

import hashlib
import io
import os
import re
import subprocess
import tarfile
import uuid
from collections.abc import Mapping
from pathlib import Path

import pinakad

AGENT = Path(pinakad.__file__).parent / "provision" / "agent.sh"
OLD = {
    "etc/netplan/50-cloud-init.yaml": "network: {ethernets: {eno1: {dhcp4: true}}}\n",
    "etc/hostname": "old-name\n",
    "etc/hosts": "127.0.0.1 localhost\n",
}
NEW = {
    "etc/netplan/90-pinakad.yaml": '{"network": {}}\n',
    "etc/hostname": "sqdn-001\n",
    "etc/cloud/cloud.cfg.d/99-pinakad.cfg": "network: {config: disabled}\n",
}
PATHS = ["etc/netplan", "etc/hostname", "etc/hosts", "etc/cloud/cloud.cfg.d/99-pinakad.cfg"]
ADDRESS = "10.0.0.11"
NOT_YET = 75


class Node:
    """A machine's root with the old configuration, and the agent."""

    def __init__(self, root: Path, text: str | None = None) -> None:
        self.root = root
        self.state = root / "var/lib/pinakad-node"
        self.state.mkdir(parents=True)
        for path, content in OLD.items():
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content, encoding="utf-8")
        self._boot_id = root / "proc/sys/kernel/random/boot_id"
        self._boot_id.parent.mkdir(parents=True)
        self.agent = root / "agent"
        self.agent.write_text(text or AGENT.read_text(encoding="utf-8"), encoding="utf-8")
        self.new_boot()

    def new_boot(self) -> None:
        """Give the machine another boot id, as a boot does."""
        self._boot_id.write_text(f"{uuid.uuid4()}\n", encoding="ascii")

    def run(
        self, *words: str, given: bytes = b"", over: str = "", text: str | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the agent; `over`: the address over which a login came in; `text`: another agent."""
        program = self.agent
        if text is not None:
            program = self.root / "agent-that-dies"
            program.write_text(text, encoding="utf-8")
        environment = {"PATH": os.environ["PATH"], "PINAKAD_NODE_ROOT": str(self.root)}
        if over:
            environment["SSH_CONNECTION"] = f"10.0.0.1 50000 {over} 22"
        call = ["/bin/sh", str(program), *words]
        return subprocess.run(call, input=given, capture_output=True, check=False, env=environment, timeout=60)

    def push(self, files: Mapping[str, str] = NEW, paths: list[str] = PATHS) -> subprocess.CompletedProcess[bytes]:
        """Push a configuration."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name, content in {"paths": "\n".join(paths) + "\n", **files}.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content.encode())
                tar.addfile(entry, io.BytesIO(content.encode()))
        raw = data.getvalue()
        return self.run("push", hashlib.sha256(raw).hexdigest(), given=raw)

    def arm(self, identifier: str = "trial-1", text: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """Put what was pushed on trial."""
        return self.run("arm", identifier, "300", ADDRESS, text=text)

    def boot(self, text: str | None = None) -> subprocess.CompletedProcess[bytes]:
        """Boot the machine: the boot unit runs before the network is there."""
        self.new_boot()
        return self.run("boot", text=text)

    def configuration(self) -> dict[str, str]:
        """Return every file below etc that the trial is about."""
        files = (path for path in sorted((self.root / "etc").rglob("*")) if path.is_file())
        found = {str(path.relative_to(self.root)): path.read_text(encoding="utf-8") for path in files}
        return {path: content for path, content in found.items() if "pinakad-node.timer.d" not in path}

    @property
    def is_old(self) -> bool:
        """Whether the configuration is exactly the old one."""
        return self.configuration() == OLD

    @property
    def is_new(self) -> bool:
        """Whether the configuration is exactly the new one."""
        return self.configuration() == NEW

    def told(self) -> list[str]:
        """Return what the system was told to do."""
        log = self.root / "system.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def killed_after_each_line(function: str) -> list[str]:
    """Return agents that die right after one line: each line of a function and of those that it calls."""
    lines = AGENT.read_text(encoding="utf-8").splitlines()
    begins = re.compile(rf"({function}|place_owned|copy_owned|restore|deadline)\(\) \{{")
    is_whole = re.compile(r"\s+(?!#|case|elif|\*|etc/)\S.*(?<!then)(?<!do)(?<!else)(?<!;;)(?<!\\)(?<!esac)$")
    inside, found = False, []
    for number, line in enumerate(lines):
        inside = (inside or begins.match(line) is not None) and line != "}"
        if inside and is_whole.match(line):
            found.append("\n".join([*lines[: number + 1], "kill -9 $$", *lines[number + 1 :]]) + "\n")
    return found
