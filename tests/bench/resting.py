"""Targets 7 and 8: what does the daemon cost while nothing is asked, and how soon does it act?"""

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import bench_request_to_script
from scene import Scene
from table import Row, median_of
from world import World

WATCH_S = 15.0


def idle(scene: Scene) -> list[Row]:
    """Target 7."""
    return median_of(scene.times, lambda: _rest(5.0 if scene.quick else WATCH_S))


def request_to_script(scene: Scene) -> list[Row]:
    """Target 8, with one node and with a thousand."""
    rounds = 5 if scene.quick else 15
    found = {}
    for count in (1, 1000):
        bench_request_to_script.NODES = count
        with tempfile.TemporaryDirectory() as folder:
            found[count] = {
                name: sorted(values)[len(values) // 2] * 1000
                for name, values in bench_request_to_script.measure(rounds, Path(folder)).items()
            }
    one, many = found[1], found[1000]
    return [
        Row("request to script, 1 node", one["pinakad"], one["bare loop"], "ms", "bare loop", "ratio <= 1.5"),
        Row("request to script, 1,000 nodes", many["pinakad"], many["bare loop"], "ms", "bare loop"),
        Row("- more than with 1 node", many["pinakad"] - one["pinakad"], None, "ms", bound="<= 100"),
    ]


def _rest(watch_s: float) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        began_s = time.perf_counter()
        world.start()
        ready_s = time.perf_counter() - began_s
        assert world.daemon is not None
        process = Path("/proc", str(world.daemon.pid))
        time.sleep(2)
        before = _switches(process), _cpu_s(process)
        time.sleep(watch_s)
        switches, cpu_s = _switches(process) - before[0], _cpu_s(process) - before[1]
        memory_mb = int(_field(process / "status", "VmRSS").split()[0]) / 1024
        status_s = statistics.median(_status_s(world) for _ in range(5))
        world.stop()
    return [
        Row("idle: wake-ups of all threads", switches / watch_s, None, "a second", bound="<= 2"),
        Row("- CPU of one core", cpu_s / watch_s * 100, None, "%", bound="<= 0.1"),
        Row("- memory", memory_mb, None, "MB", bound="<= 60"),
        Row("start to READY", ready_s, None, "s", bound="<= 0.5"),
        Row("pinakactl status", status_s, None, "s", bound="<= 0.2"),
    ]


def _status_s(world: World) -> float:
    command = [sys.executable, "-m", "pinakad.cli", "status", "--config", str(world.config)]
    environment = {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime), "PATH": "/usr/bin"}
    began_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment)
    return time.perf_counter() - began_s


def _switches(process: Path) -> int:
    return sum(int(_field(task / "status", "voluntary_ctxt_switches")) for task in (process / "task").iterdir())


def _cpu_s(process: Path) -> float:
    fields = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def _field(path: Path, name: str) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(name + ":"))
