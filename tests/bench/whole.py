"""Targets 1, 5 and 6, by the whole daemon: thousands of node files, a request, every node dead, an answer."""

import json
import os
import tempfile
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from forms import default
from scene import Scene
from table import Row
from world import World

from pinakad.polling import PLACES, TICK_S

FAR = 900.0


class Sample(NamedTuple):
    """What the daemon had used at a moment."""

    at_s: float
    cpu_s: float
    peak_mb: float


def daemon(scene: Scene) -> list[Row]:
    """Run a deployment whose nodes all refuse, every 5 s."""
    return _deployment(scene.size(10_000), 5.0, 6)


def daemon_of_many(scene: Scene) -> list[Row]:
    """Run a deployment of 50,000 nodes, every 30 s."""
    return _deployment(scene.size(50_000), 30.0, 3)


def _deployment(count: int, interval_s: float, attempts: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        poll = {"delay_s": 0, "interval_s": interval_s, "attempts": attempts, "reboot": "report"}
        world.configure(poll=poll, log={"level": "warning"})
        for number in range(1, count + 1):
            address = f"127.{100 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
            text = json.dumps(default(f"sqdn-{number:05d}", address))
            (world.nodes / f"node_{number:02d}.json").write_text(text, encoding="utf-8")
        began_s = time.perf_counter()
        world.start()
        ready_s = time.perf_counter() - began_s
        asked_s = time.perf_counter()
        world.write()
        polling, finishing = (_at_phase(world, phase) for phase in ("polling", "finishing"))
        world.wait(lambda: not (world.markers / "deployment_in_progress").exists(), "the answer", FAR)
        answered_s = time.perf_counter()
        answer = world.markers / "deployment_failed"
        size_mb = answer.stat().st_size / 1e6
        report = json.loads(answer.read_bytes())
        assert (report["counts"]["failed"], report["counts"]["total"]) == (count, count), report["counts"]
        late_s = _lateness_s(report, interval_s)
        peak_mb = _sample(world).peak_mb
    busy = (finishing.cpu_s - polling.cpu_s) / (finishing.at_s - polling.at_s) * 100
    return [
        Row(f"the daemon, {count:,} node files: start to READY", ready_s, None, "s", bound="<= 0.5"),
        Row("- from the request to the first poll: files, baseline of all nodes, launch", polling.at_s - asked_s, None,
            "s"),
        Row(f"- polling every {interval_s:g} s, with report and status.json: of one core", busy, None, "%"),
        Row("- lateness of the nodes' last attempts, p99", late_s[int(count * 0.99)], None, "s"),
        Row("- memory at most", peak_mb, None, "MB", bound="<= 150" if count <= 10_000 else ""),
        Row(f"- from the end to the answer ({size_mb:.0f} MB)", answered_s - finishing.at_s, None, "s"),
    ]  # fmt: skip


def _lateness_s(report: dict[str, Any], interval_s: float) -> list[float]:
    """Return how long after its slot each node's last attempt began, sorted."""
    launched, count = datetime.fromisoformat(report["clock"]["launched_at"]), len(report["nodes"])
    found = []
    for index, node in enumerate(report["nodes"]):
        since_s = (datetime.fromisoformat(node["last_attempt_at"]) - launched).total_seconds()
        place_s = round(index / count * PLACES * interval_s / TICK_S) * TICK_S
        found.append((since_s - place_s + TICK_S) % interval_s - TICK_S)
    return sorted(found)


def _at_phase(world: World, phase: str) -> Sample:
    world.wait(lambda: _phase(world) == phase, phase, FAR)
    return _sample(world)


def _phase(world: World) -> str:
    """Return the phase that status.json tells, without reading all of it."""
    with (world.runtime / "status.json").open(encoding="utf-8") as file:
        return file.read(8000).partition('"phase": "')[2].partition('"')[0]


def _sample(world: World) -> Sample:
    assert world.daemon is not None
    process = Path("/proc", str(world.daemon.pid))
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    peak_kb = int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
    return Sample(time.perf_counter(), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), peak_kb / 1024)
