"""Targets 1, 5 and 6, by the whole daemon: thousands of node files, a request, every node dead, an answer."""

import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from clients import addresses
from folder import write_node
from scene import CheckContext
from table import Row
from usage import cpu_s, peak_mb
from world import World

from pinakad.polling.schedule import TICK_S, Schedule
from pinakad.times import wall_s

FAR = 900.0


class Sample(NamedTuple):
    """What the daemon had used at a moment."""

    at_s: float
    cpu_s: float
    peak_mb: float


def daemon(scene: CheckContext) -> list[Row]:
    """Run a deployment whose nodes all refuse, every 5 s."""
    return _deployment(scene.size(10_000), 5.0, 6)


def daemon_of_many(scene: CheckContext) -> list[Row]:
    """Run a deployment of 50,000 nodes, every 30 s."""
    return _deployment(scene.size(50_000), 30.0, 3)


def _deployment(count: int, interval_s: float, attempts: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        poll = {"delay_s": 0, "interval_s": interval_s, "attempts": attempts, "reboot": "report"}
        world.configure(poll=poll, log={"level": "warning"})
        for number, address in enumerate(addresses(count, 100), 1):
            write_node(world.nodes, number, address)
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
        Row("- lateness of the nodes' last attempts, p99", late_s[int(count * 0.99)] * 1000, None, "ms",
            bound="<= 50" if count <= 10_000 else "< 300"),
        Row("- memory at most", peak_mb, None, "MB", bound="<= 150" if count <= 10_000 else "<= 350"),
        Row(f"- from the end to the answer ({size_mb:.0f} MB)", answered_s - finishing.at_s, None, "s"),
    ]  # fmt: skip


def _lateness_s(report: dict[str, Any], interval_s: float) -> list[float]:
    """Return how long after its slot each node's last attempt began, sorted."""
    launched_s, count = wall_s(report["clock"]["launched_at"]), len(report["nodes"])
    assert launched_s is not None
    schedule = Schedule(launched_s, delay_s=0, interval_s=interval_s, attempts=1)
    found = []
    for index, node in enumerate(report["nodes"]):
        began_s = wall_s(node["last_attempt_at"])
        assert began_s is not None
        latest_s = began_s + TICK_S - interval_s  # times are told in milliseconds: it may seem to be early
        found.append(began_s - schedule.slot_from(latest_s, index / count))
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
    return Sample(time.perf_counter(), cpu_s(process), peak_mb(process))
