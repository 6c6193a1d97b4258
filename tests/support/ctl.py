"""How is pinakactl called in a test? As people call it: as a process, with an environment of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DEADLINE_S = 60.0
PROGRAM = [sys.executable, "-m", "pinakad.cli"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment in which nothing of this machine's own pinakad is found."""
    own = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "STATE_DIRECTORY": str(folder / "state"),
        "RUNTIME_DIRECTORY": str(folder / "run"),
        "PINAKAD_CONFIG": "",
        "PYTHONWARNINGS": "error",
        "PYTHONUNBUFFERED": "1",
    }
    return own | more


def pinakactl(
    folder: Path, *arguments: str | Path, stdin: bytes = b"", variables: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run pinakactl to its end."""
    done = subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(folder, **(variables or {})),
        cwd=folder,
        timeout=DEADLINE_S,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
