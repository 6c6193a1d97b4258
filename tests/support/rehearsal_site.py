"""A site with simulated nodes that really go away and come back, a real daemon, and no node file yet."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from daemon_process import DaemonProcess
from notify_socket import NotifySocket
from processes import end_all_that_mention


class RehearsalSite(DaemonProcess):
    """The folder of `pinakactl simulate` with nodes of these lives; they are up, the daemon is not started."""

    def __init__(self, root: Path, lives: Sequence[str]) -> None:
        self.root = root
        self.work_dir = root / "work_dir"
        self.state, self.runtime, self.config = root / "state", root / "run", root / "pinakad.toml"
        self.nodes = self.work_dir / "cluster" / "nodes"
        self.markers = self.work_dir / ".markers" / "deplyment_status"
        self.log = root / "pinakad.log"
        self.program = ["-m", "pinakad"]
        self.as_who: list[str] = []
        self.daemon: subprocess.Popen[bytes] | None = None
        self.notify = NotifySocket()
        self._gates: list[int] = []
        words = ["simulate", *lives, "--into", str(root), "--down", "1s"]
        environment = {"PATH": os.environ["PATH"], "HOME": str(root.parent), "PYTHONUNBUFFERED": "1"}
        self._simulation = subprocess.Popen(
            [sys.executable, "-m", "pinakad.cli", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
        )
        assert self._simulation.stdout is not None
        said = []
        for line in self._simulation.stdout:
            said.append(line)
            if "its script orders a reboot so" in line:
                break
        assert self.config.exists(), "".join(said)
        for path in self.nodes.iterdir():
            path.unlink()

    def configure(self, **tables: dict[str, Any]) -> None:
        """Its configuration names the token's place already."""
        assert set(tables) <= {"web"}

    def set_poll(self, **values: float) -> None:
        """Change settings of the polling."""
        lines = self.config.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if line.partition(" = ")[0] not in values]
        place = kept.index("[poll]") + 1
        kept[place:place] = [f"{name} = {value}" for name, value in values.items()]
        self.config.write_text("\n".join(kept) + "\n", encoding="utf-8")

    def close(self) -> None:
        """End the daemon, its scripts and the nodes."""
        if self.daemon is not None:
            self.kill()
        self._simulation.terminate()
        self._simulation.wait(20)
        assert self._simulation.stdout is not None
        self._simulation.stdout.close()
        end_all_that_mention(str(self.root))
        self.notify.close()
