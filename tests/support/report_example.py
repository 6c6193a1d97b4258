"""A finished report that has something in every field."""

from pathlib import Path

from paths import DATA

from pinakad.config import Config, PathSettings
from pinakad.nodes.reading import read_file
from pinakad.nodes.selection import Superseded, select_nodes
from pinakad.polling.baseline import Baseline
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.schedule import Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason, Rung
from pinakad.problems import Code, Spot
from pinakad.report.document import ClockPart, Report, ScriptPart, policy_of
from pinakad.report.node import counts_of, node_reports, superseded_parts
from pinakad.report.request import RequestPart
from pinakad.report.vocabulary import Outcome, Phase, ScriptState
from pinakad.times import Instant, rfc3339

LAUNCH_S = 1_780_000_000.0
BOOT_ID = "3f0c1a52-6f0e-4a35-9a0a-0e0b6f9d1c11"


def new_report() -> Report:
    """Return the report of a deployment that begins."""
    config = Config(paths=PathSettings(work_dir=Path("/srv/wd")))
    return Report(
        schema=1,
        id="20261123T212455Z.0001",
        host="deploy",
        version="0.1.0",
        request=RequestPart(id="ticket 7", inode=5, mtime_ns=1, size=0, sha256="0" * 64, nodes=None),
        requested_at=rfc3339(LAUNCH_S - 2),
        started_at=rfc3339(LAUNCH_S - 1),
        policy=policy_of(config),
        clock=ClockPart(boot_id=BOOT_ID, taken_boot_s=999.0),
    )


def finished_report() -> Report:
    """Return a completed one: two nodes, one of which was asked twice."""
    files = [
        read_file(f"node_{number:02}.json", (DATA / name).read_bytes(), allow_loopback=False)
        for number, name in enumerate(("default.json", "bonds.json"), 1)
    ]
    report = new_report()
    nodes = node_reports(select_nodes(files).nodes, report.policy.ssh)
    schedule = Schedule(1000.0, 90, 5, 120, exited_s=1010.0)
    poll = NodePoll()
    for probe in (
        AttemptResult(1090.0, None, NodeReason.REFUSED, "cannot connect: connection refused"),
        AttemptResult(1095.0, Rung.COMMAND, None, "", HostKey.CHANGED, BOOT_ID, 40.0, "sqdn-001"),
    ):
        now = Instant(probe.began_s + 0.1, LAUNCH_S + probe.began_s + 0.1 - 1000)
        poll = poll.after(probe, Baseline("sqdn-001", "0" * 36), PollSettings(), schedule, now)
    nodes = [node.with_poll(poll) for node in nodes]
    script = ScriptPart(path="/srv/wd/x.sh", sha256="1" * 64, runner="subprocess", pid=77, log="/srv/script.log")
    return report.model_copy(
        update={
            "phase": Phase.FINISHED,
            "outcome": Outcome.COMPLETED,
            "message": "all 2 nodes are up",
            "polling_at": rfc3339(LAUNCH_S + 90),
            "finished_at": rfc3339(LAUNCH_S + 96),
            "clock": report.clock.model_copy(update={"launched_boot_s": 1000.0, "launched_at": rfc3339(LAUNCH_S)}),
            "script": script.model_copy(update={"state": ScriptState.EXITED, "exit_code": 0}),
            "nodes": nodes,
            "counts": counts_of(nodes),
            "superseded": superseded_parts([Superseded("node_00.json", "sqdn-001", "node_01.json")]),
            "problems": [Spot("node_01.json").at("roles", 0).warning(Code.UNKNOWN_ROLE, "unknown role", "dancer")],
        }
    )
