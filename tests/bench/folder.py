"""Target 5: what do thousands of node files cost, and what does it cost to tell how they stand?"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from forms import default
from scene import CheckContext
from table import Row, median_of

from pinakad.config import Config
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.selection import select_nodes
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.vocabulary import NodeReason
from pinakad.report.document import ClockPart, Report, policy_of
from pinakad.report.node import counts_of, node_reports
from pinakad.report.request import RequestPart
from pinakad.report.vocabulary import Phase
from pinakad.state.pruning import remove
from pinakad.state.status_file import SHARE, StatusFile
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import rfc3339


def node_files(scene: CheckContext) -> list[Row]:
    """Read, check and snapshot."""
    folder, count = scene.folder / "nodes", scene.size(10_000)
    folder.mkdir()
    for number in range(1, count + 1):
        write_node(folder, number)
    time.sleep(0.2)  # a file that is younger is read again
    store = Store(scene.folder / "state")
    store.root.mkdir()
    store.prepare()
    return median_of(scene.times, lambda: _read_all(folder, store, count))


def publishing(scene: CheckContext) -> list[Row]:
    """Tell how the nodes stand, as often as the publisher does."""
    report, store = example(scene.folder, scene.size(10_000)), Store(scene.folder / "told")
    (store.folder(report.id)).mkdir(parents=True)
    status_file = StatusFile(scene.folder, store, time.monotonic, lambda: None, Troubles())
    status_file.publish(report)
    poll = NodePoll(attempts=3, reason=NodeReason.REFUSED, reasons={NodeReason.REFUSED: 3}, last_attempt_wall_s=1e9)
    polls = [poll for _ in report.nodes]
    told_s, _ = min(_cost(lambda: asyncio.run(status_file.publish_progress(report, polls))) for _ in range(3))
    every_s = max(0.9, told_s / SHARE)
    what = f"report and status.json of {len(report.nodes):,} nodes, put together and written"
    return [
        Row(what, told_s * 1000, None, "ms"),
        Row(f"- every {every_s:.1f} s: of one core", told_s / every_s * 100, None, "%", bound="<= 5"),
        Row("- answer put together and written", _cost(report.json_text)[0] * 1000, None, "ms"),
    ]


def write_node(folder: Path, number: int, address: str = "") -> Path:
    """Write the file of one node; by default its address follows from its number."""
    address = address or f"10.{number // 62500}.{number // 250 % 250}.{number % 250 + 1}"
    path = folder / f"node_{number:02d}.json"
    path.write_text(json.dumps(default(f"sqdn-{number:05d}", address)), encoding="utf-8")
    return path


def example(folder: Path, count: int) -> Report:
    """Return the report of a deployment that polls so many nodes."""
    made = folder / "made"
    made.mkdir()
    for number in range(1, count + 1):
        write_node(made, number)
    nodes = node_reports(select_nodes(NodesFolder(made).scan(allow_loopback=True)).nodes, Config().ssh)
    return Report(
        schema=1,
        id="20261123T212455Z.0001",
        host="bench",
        version="0",
        request=RequestPart(id=None, inode=1, mtime_ns=1, size=0, sha256="0" * 64, nodes=None),
        phase=Phase.POLLING,
        requested_at=rfc3339(0),
        started_at=rfc3339(0),
        policy=policy_of(Config()),
        clock=ClockPart(boot_id="", taken_boot_s=0.0),
        nodes=nodes,
        counts=counts_of(nodes),
    )


def _read_all(folder: Path, store: Store, count: int) -> list[Row]:
    nodes = NodesFolder(folder)
    scan = _cost(lambda: nodes.scan(allow_loopback=False))
    files = nodes.scan(allow_loopback=False)
    found = select_nodes(files)
    together = _cost(lambda: select_nodes(files))
    identifier = store.begin()
    snapshot = _cost(lambda: store.snapshot(identifier, found.files))
    remove(store, identifier)
    os.utime(write_node(folder, count), ns=(1, 1))
    _, changed_s = _cost(lambda: nodes.scan(allow_loopback=False))
    cpu_s, wall_s = (sum(parts) for parts in zip(scan, together, snapshot, strict=True))
    return [
        Row(f"{count:,} node files: read, checked, snapshotted", wall_s, None, "s", bound="<= 3"),
        Row("- CPU of it", cpu_s, None, "s"),
        Row("- CPU: read and checked, which is done as they arrive", scan[0], None, "s"),
        Row("- CPU: held against each other", together[0], None, "s"),
        Row("- CPU: snapshot, durable", snapshot[0], None, "s"),
        Row("- one file changed: looked at all, checked again the one", changed_s * 1000, None, "ms"),
    ]


def _cost(work: Callable[[], object]) -> tuple[float, float]:
    """Return CPU and wall seconds."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu_s, time.perf_counter() - began_s
