import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pinakactl import pinakactl

from pinakad.cli.rehearsal.child import Child
from pinakad.cli.rehearsal.sandbox import Sandbox
from pinakad.client.daemon_view import schedule_of
from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.simulate.rack import Rack
from pinakad.state.store import Store
from pinakad.times import Instant, rfc3339

DEADLINE_S = 30.0
ORDER_ONE = 'exec 3<>/dev/tcp/127.0.0.1/{port}; echo "reboot demo-01" >&3; read -r answer <&3; [ "$answer" = ok ]\n'


class Run:
    """A deployment of the demo's nodes, run by the real daemon, and whoever asks how it stands."""

    def __init__(self, stage: Sandbox, rack: Rack, child: Child) -> None:
        self.stage, self.rack, self.child = stage, rack, child

    def begin(self, script: str) -> None:
        self.stage.script.write_text(script.format(port=self.rack.control_port), encoding="utf-8")
        self.stage.request()

    async def until(self, so: Callable[[Report], bool]) -> Report:
        """Wait until the daemon tells its readers that something is so."""
        async with asyncio.timeout(DEADLINE_S):
            while (report := self.stage.report()) is None or not so(report):  # noqa: ASYNC110 - a file has no event
                await asyncio.sleep(0.02)
        return report

    async def status(self, *arguments: str) -> str:
        folders = {"STATE_DIRECTORY": str(self.stage.state), "RUNTIME_DIRECTORY": str(self.stage.runtime)}
        done = await asyncio.to_thread(pinakactl, self.stage.root, "status", *arguments, variables=folders)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    stage = Sandbox()
    try:
        async with (
            Rack(stage.prepare()) as rack,
            Child(stage.config, stage.state, stage.runtime, stage.log) as child,
        ):
            await child.ready()
            yield Run(stage, rack, child)
    finally:
        await stage.close()


def is_polling_the_rest(report: Report) -> bool:
    states = [node.state for node in report.nodes if node.attempts]
    return report.phase is Phase.POLLING and len(states) == 5 and states.count(NodeState.UP) == 1


async def test_a_running_deployment_is_told_with_its_phase_its_time_left_and_its_slowest_nodes(run: Run) -> None:
    run.begin(ORDER_ONE)
    await run.until(is_polling_the_rest)
    lines = (await run.status()).splitlines()
    told = {line[:12].strip(): line[12:] for line in lines if line[:12].strip()}
    assert told["daemon"].startswith("running for ")
    assert f"pid {run.child.pid}, version" in told["daemon"]
    assert told["phase"].startswith("polling: 1 of 5 nodes up, attempt ")
    assert " s left; slowest: demo-" in told["phase"]
    assert told["script"].startswith("exited with status 0 after ")
    assert told["nodes"] == "5: 1 up, 4 waiting, 0 failed"
    rows = [line.split() for line in lines if line.startswith("demo-")]
    assert [row[0] for row in rows] == ["demo-02", "demo-03", "demo-04", "demo-05"]
    assert {(row[1].rpartition(".")[0], row[3], row[4]) for row in rows} == {("127.0.1", "identity", "not_rebooted")}


async def test_json_is_the_report_that_the_daemon_tells_its_readers(run: Run) -> None:
    assert await run.status("--json") == "null\n"
    run.begin(ORDER_ONE)
    await run.until(is_polling_the_rest)
    told = json.loads(await run.status("--json"))
    assert Report.model_validate(told).phase is Phase.POLLING
    assert told["counts"] == {"total": 5, "up": 1, "waiting": 4, "failed": 0}


async def test_a_failed_deployment_is_told_with_its_reason(run: Run) -> None:
    run.begin("exit 7\n")
    await run.until(lambda report: report.is_finished)
    text = await run.status()
    assert "phase       idle; last deployment failed (script_failed) " in text
    assert "verdict     the script ended with status 7" in text
    assert "script      exited with status 7 after " in text


async def test_what_a_killed_daemon_left_is_told_as_standing_still(run: Run) -> None:
    run.begin(ORDER_ONE)
    await run.until(is_polling_the_rest)
    assert run.child.pid is not None
    os.kill(run.child.pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE_S):
        await run.child.ended()
    text = await run.status()
    assert text.startswith("daemon      not running; systemctl start pinakad\n")
    assert "it stands still without a daemon and goes on when pinakad is started" in text
    assert json.loads(await run.status("--json"))["phase"] == "polling"


# --- without a daemon


def finished(**more: Any) -> Report:
    """Return the report of a deployment of one node that did not come up."""
    part = {"sha256": "0", "number": 1, "address_source": "mgmt", "port": 22, "user": "u"}
    node = {"file": "node_01.json", "hostname": "sqdn-1", "address": "10.0.0.1", "state": "failed", "attempts": 3}
    document = {
        "schema": 1,
        "id": "20261123T212455Z.0001",
        "host": "front",
        "version": "1",
        "request": {"id": None, "inode": 1, "mtime_ns": 1, "size": 0, "sha256": "0", "nodes": None},
        "phase": Phase.FINISHED,
        "outcome": Outcome.FAILED,
        "reason": "nodes_unreachable",
        "requested_at": rfc3339(0),
        "started_at": rfc3339(0),
        "finished_at": rfc3339(0),
        "policy": {"script": {}, "ssh": {}, "poll": {}},
        "clock": {"boot_id": "b", "taken_boot_s": 5},
        "counts": {"total": 1, "failed": 1},
        "nodes": [part | node | {"reason": NodeReason.REFUSED}],
    }
    return Report.model_validate(document | more)


def keep(folder: Path, report: Report) -> None:
    """Put a report into a state folder, as the daemon does."""
    store = Store(folder / "state")
    store.root.mkdir(exist_ok=True)
    store.prepare()
    store.folder(report.id).mkdir()
    store.save(report)


def test_where_there_is_nothing_that_is_told_and_no_failure(tmp_path: Path) -> None:
    done = pinakactl(tmp_path, "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "daemon      not running; systemctl start pinakad\ndeployment  none yet\n"
    assert pinakactl(tmp_path, "status", "--json").stdout == "null\n"


def test_without_a_daemon_the_latest_report_in_the_state_folder_counts(tmp_path: Path) -> None:
    keep(tmp_path, finished())
    keep(tmp_path, finished(id="20261123T212456Z.0002", message="the second"))
    done = pinakactl(tmp_path, "status")
    assert "deployment  20261123T212456Z.0002 on front" in done.stdout
    assert "verdict     the second" in done.stdout
    assert json.loads(pinakactl(tmp_path, "status", "--json").stdout)["message"] == "the second"


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 2}', b"\xff\x1b[2J"])
def test_a_status_that_cannot_be_read_is_noted_and_the_report_told_all_the_same(tmp_path: Path, content: bytes) -> None:
    keep(tmp_path, finished())
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_bytes(content)
    done = pinakactl(tmp_path, "status")
    assert done.returncode == 0
    assert f"note        cannot read '{tmp_path}/run/status.json': it is not of this version's form" in done.stdout
    assert "last deployment failed (nodes_unreachable)" in done.stdout


def test_a_state_folder_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "deployments").write_bytes(b"")
    done = pinakactl(tmp_path, "status")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pinakactl: cannot read the state folder '{tmp_path}/state': not a directory; ")


def test_nothing_that_a_node_or_a_file_says_moves_the_cursor_or_is_taken_for_markup(tmp_path: Path) -> None:
    evil = "\x1b[2J[bold red]:boom:[/]\r\n\u202e"
    node = finished().nodes[0].model_copy(update={"hostname": evil, "message": evil, "address": evil})
    problem = {"file": evil, "path": evil, "value": evil, "severity": "error", "code": "missing", "message": evil}
    request = finished().request.model_copy(update={"id": evil})
    keep(tmp_path, finished(nodes=[node], message=evil, host=evil, problems=[problem], request=request))
    for variables in ({}, {"FORCE_COLOR": "1", "COLUMNS": "300"}):
        text = pinakactl(tmp_path, "status", variables=variables).stdout
        assert "\x1b[2J" not in text
        assert not set("\r\u202e") & set(text)
        assert text.count("\\x1b[2J[bold red]:boom:[/]\\r\\n\\u202e") >= 5


def test_the_list_of_slow_nodes_ends_where_the_screen_does(tmp_path: Path) -> None:
    nodes = [finished().nodes[0].model_copy(update={"hostname": f"sqdn-{n}", "attempts": n}) for n in range(1, 31)]
    keep(tmp_path, finished(nodes=nodes))
    text = pinakactl(tmp_path, "status").stdout
    assert "\nsqdn-30 " in text
    assert "\nsqdn-20 " not in text
    assert text.endswith("and 20 more, see --nodes\n")


# --- the slots of a run, as they can be told from its report


def launched(**more: Any) -> Report:
    clock = {"boot_id": "b", "taken_boot_s": 5, "launched_boot_s": 10, "launched_at": rfc3339(1000)}
    return finished(clock=clock, **more)


async def test_before_the_launch_a_run_has_no_slots() -> None:
    assert schedule_of(finished(), "b", Instant(20, 2000)) is None


async def test_in_the_same_boot_the_boot_clock_counts_whatever_the_wall_clock_does() -> None:
    schedule = schedule_of(launched(), "b", Instant(20, 9_999_999))
    assert schedule is not None
    assert (schedule.launched_s, schedule.begins_s, schedule.exited_s) == (10, 100, 10)


async def test_after_a_boot_only_the_wall_clock_tells_when_the_launch_was() -> None:
    schedule = schedule_of(launched(), "another", Instant(20, 1100))
    assert schedule is not None
    assert schedule.launched_s == -80


@pytest.mark.parametrize(("finished_at", "exited_s"), [(None, None), (rfc3339(1050), 30.0)])
async def test_the_end_of_polling_is_known_once_the_script_has_exited(
    finished_at: str | None, exited_s: float | None
) -> None:
    script = {"path": "/s", "sha256": "0", "runner": "subprocess", "finished_at": finished_at}
    schedule = schedule_of(launched(script=script), "b", Instant(80, 1100))
    assert schedule is not None
    assert schedule.exited_s == exited_s
