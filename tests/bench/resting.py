"""Targets 7 and 8: what does the daemon cost while nothing is asked, and how soon does it act?"""

import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import bench_request_to_script
from scene import CheckContext
from table import Row, median_of
from usage import cpu_s, resident_mb, switches
from world import World

WATCH_S = 15.0


def idle(scene: CheckContext) -> list[Row]:
    """Target 7."""
    return median_of(scene.times, lambda: _rest(5.0 if scene.quick else WATCH_S))


def request_to_script(scene: CheckContext) -> list[Row]:
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
        before = switches(process), cpu_s(process)
        time.sleep(watch_s)
        woken, used_s = switches(process) - before[0], cpu_s(process) - before[1]
        memory_mb = resident_mb(process)
        status_s = statistics.median(_status_s(world) for _ in range(5))
        world.stop()
    return [
        Row("idle: wake-ups of all threads", woken / watch_s, None, "a second", bound="<= 2"),
        Row("- CPU of one core", used_s / watch_s * 100, None, "%", bound="<= 0.1"),
        Row("- memory", memory_mb, None, "MB", bound="<= 40"),
        Row("start to READY", ready_s, None, "s", bound="<= 0.2"),
        Row("pinakactl status", status_s, None, "s", bound="<= 0.15"),
    ]


def _status_s(world: World) -> float:
    command = [sys.executable, "-m", "pinakad.cli", "status", "--config", str(world.config)]
    environment = {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime), "PATH": "/usr/bin"}
    began_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=environment)
    return time.perf_counter() - began_s
