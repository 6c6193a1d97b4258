"""How long from the request to the script's first line, and how much of it would any daemon need?

    python tests/bench/bench_request_to_script.py [ROUNDS]

Two in the same run, taking turns: the daemon, with `reboot = "ignore"`, and the least that does the same job. The
least is a bare inotify loop that writes what must be durable (the request before anything else, that the last answer
is gone, the snapshot, the report before the launch; each synced, with its folder) and starts a Python supervisor that
forks the script. The time ends with the first line of the script, which bash itself must first be loaded for. Prints
medians and their ratio.
"""

import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from clients import addresses
from folder import write_node
from world import World

from pinakad.linux.files import sync_file_system, sync_folder, write_whole

NODES = 12
_IN_CLOSE_WRITE = 0x8
# what `supervisor.py` does before it lets the script go, and no more: fork, write down, sync, go
_SUPERVISOR = """
import os, sys
folder, script = sys.argv[1:]
gate, go = os.pipe()
pid = os.fork()
if pid == 0:
    os.setsid()
    os.read(gate, 1)
    os.execve("/bin/bash", ["/bin/bash", script], {"PATH": "/usr/bin:/bin"})
descriptor = os.open(folder + "/.started", os.O_WRONLY | os.O_CREAT, 0o644)
os.write(descriptor, b"{}")
os.fsync(descriptor)
os.link(folder + "/.started", folder + "/started")
place = os.open(folder, os.O_RDONLY)
os.fsync(place)
os.write(go, b"g")
os.waitpid(pid, 0)
"""


def bare_loop(markers: Path, nodes: Path, script: Path, state: Path) -> None:
    """Wait for a request; make durable what must be; start the supervisor; for ever."""
    library = ctypes.CDLL(None, use_errno=True)
    descriptor = library.inotify_init1(0)
    assert library.inotify_add_watch(descriptor, os.fsencode(markers), _IN_CLOSE_WRITE) > 0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    answer = markers / "deployment_completed"
    for number in range(1 << 30):
        os.read(descriptor, 4096)
        answer.unlink(missing_ok=True)
        folder = state / str(number)
        (folder / "nodes").mkdir(parents=True)
        write_whole(folder / "report.json", b"{}", durable=True)
        sync_folder(state)  # the request's folder itself
        sync_folder(markers)  # the answer to the request before, which is gone
        for file in nodes.iterdir():
            (folder / "nodes" / file.name).write_bytes(json.dumps(json.loads(file.read_bytes())).encode())
        sync_file_system(folder)
        write_whole(folder / "report.json", b"{}", durable=True)
        (folder / "supervisor.py").write_text(_SUPERVISOR, encoding="utf-8")
        command = [sys.executable, "-I", "-S", str(folder / "supervisor.py"), str(folder), str(script)]
        subprocess.run(command, check=True)
        os.mknod(answer)  # which is nobody's closing, so it is no event


def seconds_to_first_line(world: World, request: Callable[[], None]) -> float:
    """Make a request and return how long it took until the script's first line was there."""
    known = len(world.runs())
    began_s = time.time()
    request()
    world.wait(lambda: len(world.runs()) > known, "the script's first line")
    return float((world.root / "first-line").read_text(encoding="utf-8")) - began_s


def measure(rounds: int, root: Path) -> dict[str, list[float]]:
    """Let both take turns, so that whatever else the machine does hits both."""
    found: dict[str, list[float]] = {"bare loop": [], "pinakad": []}
    with closing(World(root)) as world:
        world.configure(poll={"attempts": 1, "interval_s": 0.05, "reboot": "ignore"}, log={"level": "warning"})
        for number, address in enumerate(addresses(NODES, 99), 1):
            write_node(world.nodes, number, address)
        text = world.script.read_text(encoding="utf-8").partition("\n")[2]
        world.script.write_text(f'#!/bin/bash\necho "$EPOCHREALTIME" > "{root}/first-line"\n{text}', encoding="utf-8")
        bare_markers, bare_state = root / "bare-markers", root / "bare-state"
        bare_markers.mkdir()
        folders = map(str, (bare_markers, world.nodes, world.script, bare_state))
        with subprocess.Popen([sys.executable, __file__, "--bare", *folders], stdout=subprocess.PIPE) as bare:
            assert bare.stdout is not None
            bare.stdout.readline()
            world.start()
            for _ in range(rounds):
                asked = seconds_to_first_line(world, lambda: (bare_markers / "request").write_bytes(b"") and None)
                found["bare loop"].append(asked)
                found["pinakad"].append(seconds_to_first_line(world, world.write))
                world.answer()
                world.wait_idle()
            bare.kill()
    return found


def main() -> None:
    """Measure and print."""
    if "--bare" in sys.argv:
        bare_loop(*map(Path, sys.argv[2:]))
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    with tempfile.TemporaryDirectory() as folder:
        found = measure(rounds, Path(folder))
    for name, values in found.items():
        quartiles = statistics.quantiles(values, n=4)
        shown = " ".join(f"{value * 1000:6.1f}" for value in quartiles)
        print(f"{name:10} {shown} ms (quartiles of {rounds})")
    medians = {name: statistics.median(values) for name, values in found.items()}
    print(f"ratio of the medians: {medians['pinakad'] / medians['bare loop']:.2f}")


if __name__ == "__main__":
    main()
