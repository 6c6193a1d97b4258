"""Where is it measured: keys, ports, and clients as child processes, also in a network namespace of their own."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLIENTS = Path(__file__).with_name("clients.py")
DEAD_PORT, UP_PORT, MUTE_PORT, SSHD_PORT = 2391, 2392, 2393, 2394
# what comes in is dropped: nothing answers, as where there is no machine
BLACK_HOLE = """ip link set lo up
nft add table ip hole
nft add chain ip hole in '{ type filter hook input priority 0; }'
nft add rule ip hole in tcp dport PORT drop
exec "$@"
""".replace("PORT", str(DEAD_PORT))


@dataclass(frozen=True)
class CheckContext:
    """The bench's own folder, with the keys; `size(n)` is n, or a tenth of it with --quick."""

    folder: Path
    key: str
    quick: bool

    def size(self, count: int) -> int:
        """Return how many nodes to take."""
        return count // 10 if self.quick else count

    @property
    def times(self) -> int:
        """How often a pair is measured; the median counts."""
        return 1 if self.quick else 3


def client(kind: str, *, prefix: Sequence[str] = (), **arguments: Any) -> dict[str, Any]:
    """Run a client in a process of its own and return what it found, `warnings` with what it logged."""
    command = [*prefix, sys.executable, str(CLIENTS), kind, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode != 0:
        raise RuntimeError(f"{kind} ended with status {done.returncode}: {done.stderr[-1000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"warnings": done.stderr.strip().splitlines()}


def black_hole() -> list[str]:
    """Return what to put before a command so that nothing answers on DEAD_PORT of any address."""
    return ["unshare", "--net", "sh", "-ec", BLACK_HOLE, "sh"]


def timed(command: Sequence[str], environment: dict[str, str] | None = None) -> tuple[float, float, int]:
    """Run a program; return wall and CPU seconds, of its children too, and its exit code."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = os.times().elapsed
    code = subprocess.run(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment, timeout=900
    ).returncode
    wall_s = os.times().elapsed - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, code
