"""What is measured, each in a process of its own: the poller, and what it is compared with.

python tests/bench/clients.py KIND JSON   ->  one line of JSON: cpu_s, wall_s, rss_mb and more
"""

import asyncio
import errno
import heapq
import json
import logging
import select
import socket
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import paramiko
from usage import children, cpu_of_children_s, peak_mb

from pinakad.config import SshSettings
from pinakad.linux.clock import now
from pinakad.linux.limits import allow_many_files, collect_rarely
from pinakad.linux.loop import BootClockLoop
from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.poller import Poller
from pinakad.polling.schedule import SPREAD, Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeState
from pinakad.ssh.prober import Prober, Target, open_host_keys
from pinakad.ssh.worker_pool import open_workers

Found = dict[str, Any]


def addresses(count: int, network: int) -> list[str]:
    """Return that many loopback addresses."""
    return [f"127.{network + index // 62500}.{index // 250 % 250}.{index % 250 + 1}" for index in range(count)]


def poller(*, groups: list[list[int]], key: str, interval_s: float, rounds: int, patient: bool = False) -> Found:
    """Poll groups of nodes, each `[how many, network, port]`, on the real poller with the real prober.

    `late_p99_s`: from the slot to the attempt; `slowest_s`: from a node's first slot until it is up.
    """
    targets = [Target(address, port, "root") for count, net, port in groups for address in addresses(count, net)]
    limits = {"banner_timeout_s": 600, "auth_timeout_s": 600} if patient else {}
    settings = SshSettings.model_validate({"allow_loopback": True} | limits)

    async def run() -> Found:
        policy = PollSettings(delay_s=0, interval_s=interval_s, attempts=rounds, reboot="ignore")
        start_s = now().boot_s + 0.5 + len(targets) / 20_000  # all tasks stand before the first slot
        schedule = Schedule(start_s, 0, interval_s, rounds, exited_s=start_s)
        with tempfile.TemporaryDirectory() as folder:
            workers = open_workers(Path(key), settings)
            await workers.start(len(targets))  # as the daemon has it after it asked all nodes for their boot ids
            prober = Prober(settings, workers, open_host_keys(Path(folder, "known_hosts"), settings))
        late: list[float] = []
        up: list[float] = []
        ended: list[float] = []

        begun = [0] * len(targets)

        async def ask(index: int) -> AttemptResult:
            begun[index] += 1
            probe = await prober.attempt(Target(*_place(targets[index]), stalled=poller.polls[index].stalled))
            first_s = start_s + schedule.offset(index, len(targets)) * SPREAD * interval_s
            late.append((probe.began_s - first_s + 0.02) % interval_s)
            if probe.reason is None:
                up.append(now().boot_s - first_s)
                ended.append(now().boot_s - start_s)
            return probe

        baselines, polls = [Baseline("n") for _ in targets], [NodePoll() for _ in targets]
        poller = Poller(baselines, polls, policy, schedule, ask, now, lambda *_: None)
        begun_s, cpu_s, began_s = now().boot_s, time.process_time(), time.monotonic()
        await poller.run()
        cpu_s, wall_s = time.process_time() - cpu_s, time.monotonic() - began_s - (start_s - begun_s)
        workers_mb = sum(peak_mb(Path("/proc", str(pid))) for pid in children())
        prober.close()
        cpu_s += cpu_of_children_s()
        return {
            "cpu_s": cpu_s,
            "wall_s": wall_s,
            "workers_mb": workers_mb,
            "attempts": sum(begun),
            "spread": max(poll.attempts for poll in poller.polls) - min(poll.attempts for poll in poller.polls),
            "up": sum(poll.state is NodeState.UP for poll in poller.polls),
            "late_p99_s": sorted(late)[int(len(late) * 0.99)] if late else 0.0,
            "slowest_s": max(up, default=0.0),
            "last_up_s": max(ended, default=0.0),
        }

    with asyncio.Runner(loop_factory=BootClockLoop) as loop:
        collect_rarely()
        return loop.run(run())


def _place(target: Target) -> tuple[str, int, str]:
    return target.address, target.port, target.user


def epoll(*, count: int, network: int, port: int, interval_s: float, rounds: int, timeout_s: float = 5.0) -> Found:
    """Connect to dead nodes on the same grid, by an epoll loop that does nothing else."""
    targets = [(address, port) for address in addresses(count, network)]
    watched, waiting = select.epoll(), dict[int, socket.socket]()
    deadlines: deque[tuple[float, socket.socket]] = deque()
    start_s = time.monotonic() + 0.1
    due = [(start_s + index / count * SPREAD * interval_s, index) for index in range(count)]
    left = count * rounds
    cpu_s = time.process_time()
    while left or waiting:
        moment_s = time.monotonic()
        while left and due[0][0] <= moment_s:
            slot_s, index = heapq.heappop(due)
            left -= 1
            heapq.heappush(due, (slot_s + interval_s, index))
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            if sock.connect_ex(targets[index]) == errno.EINPROGRESS:
                watched.register(sock, select.EPOLLOUT)
                waiting[sock.fileno()] = sock
                deadlines.append((moment_s + timeout_s, sock))
        while deadlines and deadlines[0][0] <= moment_s:
            _, sock = deadlines.popleft()
            if waiting.pop(sock.fileno(), None):  # -1 where it is closed
                sock.close()
        for descriptor, _ in watched.poll(max(0.0, due[0][0] - time.monotonic()) if left else 0.05):
            if descriptor in waiting:
                sock = waiting.pop(descriptor)
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                sock.close()
    return {"cpu_s": time.process_time() - cpu_s, "attempts": count * rounds}


def _log_in(address: str, port: int, key: paramiko.PKey, *, tries: int = 1) -> None:
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # noqa: S507 - as everybody does
    for _ in range(tries):
        try:
            client.connect(
                address, port, "root", pkey=key, allow_agent=False, look_for_keys=False,
                timeout=600, banner_timeout=600, auth_timeout=600,
            )  # fmt: skip
            break
        except (OSError, paramiko.SSHException):
            time.sleep(1)
    else:
        raise RuntimeError(f"cannot log in to {address}")
    _, output, _ = client.exec_command("true")
    output.read()
    client.close()


def pool(*, count: int, network: int, port: int, key: str, threads: int) -> Found:
    """Log in to nodes that are up by threads that share them: the least that paramiko can do."""
    private = paramiko.PKey.from_path(key)
    began_s, cpu_s = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(threads) as workers:
        list(workers.map(lambda address: _log_in(address, port, private), addresses(count, network)))
    return {"cpu_s": time.process_time() - cpu_s, "wall_s": time.monotonic() - began_s}


def threads(*, count: int, network: int, port: int, key: str) -> Found:
    """Log in with a thread for each node, that tries again every second: what web back ends do."""
    private = paramiko.PKey.from_path(key)
    began_s, cpu_s = time.monotonic(), time.process_time()
    each = [
        threading.Thread(target=_log_in, args=(address, port, private), kwargs={"tries": 60})
        for address in addresses(count, network)
    ]
    for thread in each:
        thread.start()
    for thread in each:
        thread.join()
    return {"cpu_s": time.process_time() - cpu_s, "wall_s": time.monotonic() - began_s}


KINDS: dict[str, Callable[..., Found]] = {"poller": poller, "epoll": epoll, "pool": pool, "threads": threads}


def main() -> None:
    """Do one kind of work and tell what it cost."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    allow_many_files()
    found = KINDS[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(found | {"rss_mb": peak_mb(Path("/proc/self"))}))


if __name__ == "__main__":
    main()
