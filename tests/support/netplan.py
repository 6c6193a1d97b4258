"""Debian's netplan generator, installed or unpacked, on a document in a folder of its own."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

GENERATOR = Path("/usr/libexec/netplan/generate")


def generator() -> tuple[str, dict[str, str]] | None:
    """Return the generator and the environment that it needs, None where there is none.

    $NETPLAN_ROOT is a folder with the unpacked packages netplan.io and libnetplan0.
    """
    unpacked = os.environ.get("NETPLAN_ROOT", "")
    root = Path(unpacked or "/")
    program = root / GENERATOR.relative_to("/")
    if not program.exists():
        return None
    libraries = next(iter(root.glob("usr/lib/*/libnetplan.so.0.0")), None) if unpacked else None
    return str(program), {"LD_LIBRARY_PATH": str(libraries.parent)} if libraries else {}


def generate(folder: Path, document: dict[str, Any]) -> tuple[dict[str, str], str]:
    """Return the files that the generator makes of a document (name -> text), and what it says."""
    found = generator()
    assert found is not None
    place = folder / "etc" / "netplan"
    place.mkdir(parents=True, exist_ok=True)
    made = folder / "run" / "systemd" / "network"
    shutil.rmtree(folder / "run", ignore_errors=True)
    file = place / "90-pinakad.yaml"
    file.touch(0o600)
    file.write_text(json.dumps(document), encoding="utf-8")
    done = subprocess.run(
        [found[0], "--root-dir", str(folder)], capture_output=True, text=True, check=False, env=os.environ | found[1]
    )
    said = done.stdout + done.stderr + ("" if done.returncode == 0 else f"status {done.returncode}")
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(made.glob("*"))}, said
