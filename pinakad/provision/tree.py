"""What is to lie on a node below /, and what it owns there: the same bytes for the same configuration."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GENERATOR = Path("/usr/libexec/netplan/generate")
_PATHS = "paths"
_HOSTS = "# by pinakad: this node, and all nodes of its deployment"


class GeneratorError(Exception):
    """The network configuration cannot be generated. The message says why."""


@dataclass(frozen=True)
class Tree:
    """Files by their paths below /, and all paths that are owned: what is owned and no file is removed."""

    files: Mapping[str, str]
    owned: tuple[str, ...]

    def archive(self) -> bytes:
        """Return the tree as the agent takes it: a tar without times and owners, so that it is the same each time."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, text in sorted({_PATHS: "\n".join(self.owned) + "\n", **self.files}.items()):
                raw = text.encode()
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode = len(raw), 0o600 if "/netplan/" in name else 0o644
                tar.addfile(entry, io.BytesIO(raw))
        return data.getvalue()


def sha256(archive: bytes) -> str:
    """Return what identifies a configuration: on the node, the agent compares it with what it was confirmed with."""
    return hashlib.sha256(archive).hexdigest()


def tree_of(document: dict[str, Any], *, netplan: bool, hostname: str, hosts: Mapping[str, str]) -> Tree:
    """Return what lies on a node with netplan, or with systemd-networkd alone. `hosts`: address -> host name.

    Raises GeneratorError.
    """
    files = {"etc/hostname": f"{hostname.partition('.')[0]}\n", "etc/hosts": _hosts_text(hostname, hosts)}
    owned = ["etc/hostname", "etc/hosts", "etc/netplan" if netplan else "etc/systemd/network"]
    if netplan:
        files["etc/netplan/90-pinakad.yaml"] = json.dumps(document, indent=1) + "\n"
        files["etc/cloud/cloud.cfg.d/99-pinakad.cfg"] = "network: {config: disabled}\npreserve_hostname: true\n"
        owned.append("etc/cloud/cloud.cfg.d/99-pinakad.cfg")
    else:
        files |= {f"etc/systemd/network/{name}": text for name, text in generated(document).items()}
    return Tree(files, tuple(owned))


def generated(document: dict[str, Any]) -> dict[str, str]:
    """Return the files of systemd-networkd that Debian's generator makes of a document. Raises GeneratorError."""
    if not GENERATOR.exists():
        raise GeneratorError(f"'{GENERATOR}' is missing on the controller: apt-get install netplan.io")
    root = Path(tempfile.mkdtemp(prefix="pinakad-provision-"))
    try:
        place = root / "etc" / "netplan"
        place.mkdir(parents=True)
        file = place / "90-pinakad.yaml"
        file.touch(0o600)
        file.write_text(json.dumps(document), encoding="utf-8")
        words = [str(GENERATOR), "--root-dir", str(root)]
        done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": os.defpath}, timeout=30)
        if done.returncode != 0 or done.stderr:
            raise GeneratorError(f"netplan refuses it: {' '.join(done.stderr.split())[:500]}")
        made = sorted((root / "run" / "systemd" / "network").iterdir())
        return {path.name: path.read_text(encoding="utf-8") for path in made}
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _hosts_text(hostname: str, hosts: Mapping[str, str]) -> str:
    short = hostname.partition(".")[0]
    own = f"127.0.1.1 {hostname}" + (f" {short}" if short != hostname else "")
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback", own, _HOSTS]
    return "\n".join([*lines, *(f"{address} {name}" for address, name in sorted(hosts.items()))]) + "\n"
