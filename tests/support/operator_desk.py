"""What does an operator have in a test? pinakactl, pointed at the daemon of a `World`."""

import json
import subprocess
from pathlib import Path
from typing import Any

from ctl import DEADLINE_S, PROGRAM, environment, pinakactl
from forms import default
from world import World, without_rights


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
