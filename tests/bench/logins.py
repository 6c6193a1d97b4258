"""Targets 3 and 4: nodes that come up at once, and what users would take instead."""

import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import which

from nodes import running, sshd
from scene import DEAD_PORT, SSHD_PORT, UP_PORT, CheckContext, client, timed
from table import Row, median_of

EACH_S = 5.0
POOL = 32
FOR_OTHERS = 50


def logins(scene: CheckContext) -> list[Row]:
    """Target 3: nodes that come up at once, against the least that paramiko can do."""
    return median_of(scene.times, lambda: _at_once(scene, scene.size(1000)))


def mixed(scene: CheckContext) -> list[Row]:
    """Target 4: nearly all are up, and the dead ones delay nobody."""
    up, dead = scene.size(9900), scene.size(100)
    with running("up", UP_PORT, scene.folder):
        floor = client("pool", count=up, network=50, port=UP_PORT, key=scene.key, threads=POOL)
        groups = [[up // 2, 50, UP_PORT], [dead, 70, DEAD_PORT], [up - up // 2, 60, UP_PORT]]
        place = {"key": scene.key, "interval_s": EACH_S, "patient": True}
        ours = client("poller", groups=groups, rounds=30 if not scene.quick else 3, **place)
    return [
        Row(f"{up:,} nodes up, {dead} dead: until the last one is up", ours["last_up_s"], floor["wall_s"], "s",
            f"pool of {POOL}", "as fast as logins allow"),
        Row("- CPU a login", ours["cpu_s"] / up * 1000, floor["cpu_s"] / up * 1000, "ms", f"pool of {POOL}"),
        Row("- up at the end", ours["up"], None, f"of {up}"),
    ]  # fmt: skip


def others(scene: CheckContext) -> list[Row]:
    """What users would take: Ansible, a thread for each node, a shell loop; against a real sshd."""
    count = scene.size(FOR_OTHERS * 10) // 10 or 5
    rows: list[Row] = []
    with sshd(scene.folder, SSHD_PORT):
        hosts = [f"127.80.0.{number + 1}" for number in range(count)]
        place = {"key": scene.key, "port": SSHD_PORT}
        groups = [[count, 80, SSHD_PORT]]
        ours = client("poller", groups=groups, key=scene.key, interval_s=1.0, rounds=60, patient=True)
        each = client("threads", count=count, network=80, **place)
        found = {
            "thread a node": (each["wall_s"], each["cpu_s"]),
            "shell loop over ssh": timed(["bash", "-c", _LOOP, "bash", scene.key, *hosts])[:2],
        }
        ansible = _ansible()
        for forks in (5, 50) if ansible else ():
            command = _ansible_command(scene, ansible, hosts, forks)
            wall_s, cpu_s, code = timed(command, _quiet_environment(scene.folder))
            found[f"Ansible, {forks} forks" + (f", exit {code}" if code else "")] = (wall_s, cpu_s)
    for name, (wall_s, cpu_s) in found.items():
        bound = "ratio <= 1.1" if name == "thread a node" else ""
        rows += [
            Row(f"{count} nodes that are up (sshd): wall", ours["wall_s"], wall_s, "s", name, bound),
            Row("- CPU of the client", ours["cpu_s"], cpu_s, "s", name),
        ]
    return rows


def _at_once(scene: CheckContext, count: int) -> list[Row]:
    with running("up", UP_PORT, scene.folder):
        place = {"key": scene.key}
        floor = client("pool", count=count, network=50, port=UP_PORT, threads=POOL, **place)
        back_end = client("threads", count=count, network=51, port=UP_PORT, **place)
        groups = [[count, 52, UP_PORT]]
        ours = client("poller", groups=groups, interval_s=EACH_S, rounds=60, patient=True, **place)
    name = f"pool of {POOL}"
    return [
        Row(f"{count:,} nodes up at once: wall", ours["wall_s"], floor["wall_s"], "s", name, "ratio <= 0.65"),
        Row("- CPU a login", ours["cpu_s"] / count * 1000, floor["cpu_s"] / count * 1000, "ms", name),
        Row("- CPU a login", ours["cpu_s"] / count * 1000, back_end["cpu_s"] / count * 1000, "ms", "thread a node"),
        Row(
            "- memory at most, with all login workers",
            ours["rss_mb"] + ours["workers_mb"],
            back_end["rss_mb"],
            "MB",
            "thread a node",
        ),
    ]


_LOOP = f"""key=$1; shift
for host; do
  until ssh -n -i "$key" -p {SSHD_PORT} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \\
    -o BatchMode=yes -o ConnectTimeout=5 root@$host true; do sleep 1; done
done
"""


def _ansible() -> str | None:
    """Find it beside the running Python, in the PATH, or in a virtual environment in /tmp/bench-venv."""
    for place in (Path(sys.executable).parent, Path("/tmp/bench-venv/bin")):
        if (place / "ansible").exists():
            return str(place / "ansible")
    return which("ansible")


def _ansible_command(scene: CheckContext, program: str, hosts: Sequence[str], forks: int) -> list[str]:
    options = {
        "ansible_port": SSHD_PORT,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": scene.key,
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    shown = " ".join(f"{name}={value}" for name, value in options.items())
    inventory = scene.folder / "inventory"
    inventory.write_text("".join(f"{host} {shown}\n" for host in hosts), encoding="utf-8")
    return [program, "all", "-i", str(inventory), "-m", "wait_for_connection", "-f", str(forks)]


def _quiet_environment(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ANSIBLE_HOST_KEY_CHECKING": "False",
        "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=2s -o UserKnownHostsFile=/dev/null",
    }
