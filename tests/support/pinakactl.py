"""pinakactl in a test, as people call it: a process with an environment of its own, in a pipe or on a terminal."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from daemon_process import without_rights
from forms import default
from world import World

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


def folders(world: World) -> dict[str, str]:
    """Return the variables that lead pinakactl to a world."""
    return {
        "STATE_DIRECTORY": str(world.state),
        "RUNTIME_DIRECTORY": str(world.runtime),
        "PINAKAD_CONFIG": str(world.config),
    }


def ask(world: World, *arguments: str | Path, code: int = 0, **variables: str) -> str:
    """Run pinakactl, which must end with `code`; return what it says: on stdout, or (`code` not 0, nothing there)
    on stderr.
    """
    done = pinakactl(world.root, *arguments, variables=folders(world) | variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert code != 0 or not done.stderr, done.stderr
    return done.stdout or done.stderr


def begin(world: World, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start pinakactl in a pipe and leave it running; whoever calls this ends it."""
    own = environment(world.root, **folders(world))
    return subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, env=own, cwd=world.root)


def on_a_terminal(world: World, *arguments: str, **variables: str) -> str:
    """Run pinakactl on a terminal to its end; return every byte that came there, with new lines as they were sent."""
    ours, theirs = pty.openpty()
    own = environment(world.root, TERM="xterm", **folders(world), **variables)
    with subprocess.Popen([*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=own) as process:
        os.close(theirs)
        text, ends_s = b"", time.monotonic() + DEADLINE_S
        while chunk := _read(ours):
            assert time.monotonic() < ends_s, text
            text += chunk
        assert process.wait(DEADLINE_S) == 0, text
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return b""


class Operator:
    """Calls pinakactl for one world. What still runs at the end is killed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.without_rights: list[str] = []
        self._begun: list[subprocess.Popen[str]] = []

    def call(self, *arguments: str | Path, stdin: str = "", **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return pinakactl(
            self.world.root,
            *("--config", self.world.config, *arguments),
            stdin=stdin.encode(),
            variables=self.variables | variables,
        )

    def begin(self, *arguments: str | Path, **variables: str) -> "subprocess.Popen[str]":
        """Start a command that takes its time."""
        process = subprocess.Popen(
            [*self.without_rights, *PROGRAM, "--config", str(self.world.config), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(self.world.root, **self.variables, **variables),
            cwd=self.world.root,
        )
        self._begun.append(process)
        return process

    def give_up_rights(self) -> None:
        """Be bound by modes and owners from now on, as people are who are not root."""
        self.without_rights = without_rights()

    @property
    def variables(self) -> dict[str, str]:
        """Where the daemon's folders are."""
        return {"STATE_DIRECTORY": str(self.world.state), "RUNTIME_DIRECTORY": str(self.world.runtime)}

    def node(self, number: int, hostname: str | None = None, **more: Any) -> dict[str, Any]:
        """Return what a producer says of the node at `world.address(number)`."""
        return default(hostname or f"sqdn-{number:03d}", self.world.address(number)) | more

    def draft(self, name: str, document: Any) -> Path:
        """Write a file that is to be applied."""
        path = self.world.drafts / name
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    def files(self) -> list[str]:
        """Return all that lies in the nodes folder, hidden or not."""
        return sorted(path.name for path in self.world.nodes.iterdir())

    def asked(self) -> dict[str, Any]:
        """Return what the request that is there says."""
        document: dict[str, Any] = json.loads((self.world.markers / "deployment_in_progress").read_bytes())
        return document

    def close(self) -> None:
        """End what still runs."""
        for process in self._begun:
            process.kill()
            process.communicate()


def ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Return exit code, stdout and stderr of what was begun, at its end."""
    out, err = process.communicate(timeout=DEADLINE_S)
    return process.returncode, out, err
