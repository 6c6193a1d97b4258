"""The folders of one installation in a test: configuration, node files, deployment script, requests."""

import json
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from forms import default

REQUEST, CANCEL = "deployment_in_progress", "deployment_cancel"
_numbers = count(1)


class SiteFolders:
    """What operators and producers write: one work_dir, the configuration, and the drafts beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work_dir = root / "wd"
        self.nodes = self.work_dir / "cluster" / "nodes"
        self.markers = self.work_dir / ".markers" / "deplyment_status"
        self.script = self.work_dir / ".scripts" / "deployment_service.sh"
        self.key = self.work_dir / "key" / "ps_key.pem"
        self.state, self.runtime = root / "state", root / "run"
        self.config = root / "pinakad.toml"
        self.drafts = root / "drafts"
        self._network = f"127.{os.getpid() % 250 + 2}.{next(_numbers) % 250 + 2}"
        self._settings: dict[str, dict[str, Any]] = {}
        self._gates: list[int] = []
        for folder in (self.nodes, self.markers, self.script.parent, self.key.parent):
            folder.mkdir(parents=True)
        for folder in (self.state, self.runtime, self.drafts):
            folder.mkdir()
        self.public_key = write_key(self.key)
        self.configure(
            paths={"work_dir": self.work_dir},
            script={"timeout_s": 60},
            ssh={"allow_loopback": True, "connect_timeout_s": 1, "banner_timeout_s": 5, "command_timeout_s": 10},
            poll={"delay_s": 0, "interval_s": 0.2, "attempts": 150},
        )
        self.write_script("")

    # --- what the operator prepares

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the configuration: what was set before, and this over it."""
        for name, table in tables.items():
            self._settings[name] = self._settings.get(name, {}) | table
        lines = []
        for name, table in self._settings.items():
            lines.append(f"[{name}]")
            shown = {key: str(item) if isinstance(item, Path) else item for key, item in table.items()}
            lines += [f"{key} = {json.dumps(item)}" for key, item in shown.items()]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def address(self, last: int) -> str:
        """Return a loopback address that is this world's own."""
        return f"{self._network}.{last}"

    def add_node(
        self,
        number: int,
        form: Callable[[str, str], dict[str, Any]] = default,
        hostname: str | None = None,
        **more: Any,
    ) -> Path:
        """Write a node file whose address is `address(number)`; by default its host is `sqdn-<number>`."""
        document = form(hostname or f"sqdn-{number:03d}", self.address(number)) | more
        return self.put_node(f"node_{number:02d}.json", json.dumps(document))

    def put_node(self, name: str, content: str | bytes) -> Path:
        """Put whatever content under a node file's name, in one step."""
        draft = self.drafts / name
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        return draft.rename(self.nodes / name)

    def write_script(self, text: str) -> None:
        """Write the deployment script. Each of its runs leaves a line in `runs`."""
        counted = f'echo "${{PINAKAD_DEPLOYMENT_ID:-by-hand}}" >> "{self.root}/runs"\n'
        self.script.write_text("#!/bin/bash\n" + counted + text + "\n", encoding="utf-8")
        self.script.chmod(0o755)

    def runs(self) -> list[str]:
        """Return the ids of the deployments whose script has begun."""
        file = self.root / "runs"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def gate(self) -> tuple[str, Callable[[], None]]:
        """Return a line for the script at which it waits, and what lets it go on."""
        path = self.root / f"gate-{len(self._gates)}"
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDWR)
        self._gates.append(descriptor)
        return f'read -r _ < "{path}"', lambda: bool(os.write(descriptor, b"go\n")) or None

    def close(self) -> None:
        """Close the gates: a script that still waits at one reads on."""
        for descriptor in self._gates:
            os.close(descriptor)

    # --- what a producer of requests writes

    def touch(self) -> None:
        """Make a request as `touch` does, or touch the one that is there."""
        (self.markers / REQUEST).touch()

    def write(self, content: str | bytes = "") -> None:
        """Make a request as a shell's `>` does."""
        (self.markers / REQUEST).write_bytes(content.encode() if isinstance(content, str) else content)

    def rename_in(self, content: str = "") -> None:
        """Make a request aside, on the same file system, and rename it in."""
        draft = self.drafts / REQUEST
        draft.write_text(content, encoding="utf-8")
        draft.rename(self.markers / REQUEST)

    def link_in(self, content: str = "") -> None:
        """Make a request aside and link it in."""
        draft = self.drafts / REQUEST
        draft.write_text(content, encoding="utf-8")
        os.link(draft, self.markers / REQUEST)
        draft.unlink()

    def cancel(self) -> None:
        """Ask to cancel."""
        (self.markers / CANCEL).touch()

    def requested(self) -> bool:
        """Tell whether a request is there."""
        return os.path.lexists(self.markers / REQUEST)


def write_key(path: Path) -> str:
    """Write an ed25519 private key and return the line for authorized_keys."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
