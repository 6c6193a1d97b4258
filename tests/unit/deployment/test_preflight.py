"""What do the checks before the launch ask for, in which order, and what do they put into the report?"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from report_example import finished_report
from stage import BEGIN_S, OLD, THIS_BOOT, Stage, StageScript, node_file, up

from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.preflight import Preflight
from pinakad.deployment.record import RunRecord
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason
from pinakad.problems import Code, Problem, Severity, Spot
from pinakad.report.document import ScriptPart
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Phase, Reason, Refusal

pytestmark = pytest.mark.looptime(start=BEGIN_S)

LOOSE = Spot("/srv/x.sh").warning(Code.NOT_EXECUTABLE, "everybody may write the script")


class TracedScript(StageScript):
    """A script that notes what is asked of it."""

    steps: list[str]

    def problem(self) -> Refusal | None:
        self.steps.append("script")
        return super().problem()

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        self.steps.append("prepare")
        return super().prepare()


def preflight_of(stage: Stage) -> tuple[Preflight, RunRecord]:
    dependencies = stage.dependencies()
    record = RunRecord(stage.report(), dependencies)
    return Preflight(record, dependencies), record


def traced(stage: Stage, steps: list[str]) -> Dependencies:
    """Return the stage's parts; each notes that it is asked."""
    made, script = stage.dependencies(), TracedScript(trouble=stage.script.trouble if stage.script else None)
    script.steps = steps

    async def read_nodes() -> list[ParsedNodeFile] | Refusal:
        steps.append("nodes")
        return await made.read_nodes()

    async def snapshot(files: Mapping[str, bytes]) -> None:
        steps.append("snapshot")
        await made.snapshot(files)

    async def key_problem() -> Refusal | None:
        steps.append("key")
        return await made.key_problem()

    def loose_permissions() -> list[Problem]:
        steps.append("permissions")
        return [LOOSE]

    return replace(
        made,
        script=script,
        read_nodes=read_nodes,
        snapshot=snapshot,
        key_problem=key_problem,
        loose_permissions=loose_permissions,
    )


ALL = ["nodes", "script", "key", "permissions", "prepare", "snapshot"]


@pytest.mark.parametrize(
    ("stage", "steps", "reason"),
    [
        (Stage(), ALL, None),
        (Stage(files=Refusal(Reason.NODES_UNREADABLE, "x")), ALL[:1], Reason.NODES_UNREADABLE),
        (Stage(files=[]), ALL[:1], Reason.NO_NODES),
        (Stage(script=StageScript(trouble=Refusal(Reason.SCRIPT_NOT_FOUND, "x"))), ALL[:2], Reason.SCRIPT_NOT_FOUND),
        (Stage(key_problem=Refusal(Reason.SSH_KEY, "x")), ALL[:3], Reason.SSH_KEY),
    ],
    ids=["sound", "unreadable", "empty", "no script", "no key"],
)
async def test_nothing_is_done_after_the_first_check_that_fails(
    stage: Stage, steps: list[str], reason: Reason | None
) -> None:
    done: list[str] = []
    dependencies = traced(stage, done)
    decided = await Preflight(RunRecord(stage.report(), dependencies), dependencies).validate()
    assert done == steps
    assert (decided.reason if decided else None) == reason


async def test_a_run_that_may_be_launched_has_its_nodes_its_script_and_its_warnings() -> None:
    stage = Stage(files=[node_file(1), node_file(2, "n1", "192.0.2.9"), node_file(3)])
    dependencies = traced(stage, [])
    record = RunRecord(stage.report(), dependencies)
    assert await Preflight(record, dependencies).validate() is None
    report = record.report
    assert (report.phase, [node.hostname for node in report.nodes]) == (Phase.VALIDATING, ["n1", "n3"])
    assert (report.counts.total, report.counts.waiting) == (2, 2)
    assert [entry.file for entry in report.superseded] == ["node_01.json"]
    assert report.script is not None
    assert LOOSE in report.problems
    assert Code.NOT_EXECUTABLE in [problem.code for problem in report.problems]
    assert stage.saved == []  # the phase is written down by the run, after the baselines
    assert stage.snapshots == [["node_02.json", "node_03.json"]]


async def test_an_invalid_request_has_no_node_file_read() -> None:
    done: list[str] = []
    dependencies = traced(Stage(), done)
    problem = Spot("deployment_in_progress").error(Code.NOT_JSON, "not JSON")
    record = RunRecord(Stage().report().but(problems=[problem]), dependencies)
    decided = await Preflight(record, dependencies).validate()
    assert decided is not None
    assert (decided.reason, done, record.report.problems) == (Reason.INVALID_REQUEST, [], [problem])


async def test_errors_of_two_files_together_are_in_the_report_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    preflight, record = preflight_of(Stage(files=[node_file(1), node_file(2, address="192.0.2.1")]))
    decided = await preflight.validate()
    assert decided is not None
    assert decided.reason is Reason.INVALID_NODES
    errors = [problem for problem in record.report.problems if problem.severity is Severity.ERROR]
    assert errors
    assert [entry.getMessage() for entry in caplog.records] == [problem.line() for problem in errors]


async def test_a_node_that_does_not_answer_has_no_baseline_and_holds_no_launch_up() -> None:
    def baseline(node: NodeReport, t: float) -> AttemptResult:
        if node.hostname == "n1":
            return AttemptResult(0.0, None, NodeReason.REFUSED, "connection refused")
        return replace(up(OLD)(node, t), host_key=HostKey.CHANGED)

    preflight, record = preflight_of(Stage(baseline=baseline, asking_s=7.0))
    assert await preflight.validate() is None
    await preflight.take_baselines()
    first, second = record.report.nodes
    assert (first.boot_id_before, first.host_key, first.reported_hostname) == (None, None, None)
    assert (second.boot_id_before, second.host_key) == (f"{OLD}-of-n2", HostKey.CHANGED)
    assert (first.attempts, second.attempts) == (0, 0)
    assert record.asked_s == BEGIN_S + 7.0


@pytest.mark.parametrize("host", ["n2", "N2.example.org", "n2.other.net"])
@pytest.mark.parametrize("hostname", ["n2", "N2", "N2.Example.org"])
async def test_this_host_is_known_among_the_nodes_by_its_name(host: str, hostname: str) -> None:
    preflight, record = preflight_of(Stage(files=[node_file(1), node_file(2, hostname)], host=host))
    await preflight.validate()
    await preflight.take_baselines()
    assert [node.this_host for node in record.report.nodes] == [False, True]


async def test_this_host_is_known_among_the_nodes_by_its_boot_id() -> None:
    baseline = lambda node, t: up(THIS_BOOT if node.hostname == "n1" else OLD)(node, t)  # noqa: E731
    preflight, record = preflight_of(Stage(baseline=baseline))
    await preflight.validate()
    await preflight.take_baselines()
    assert [node.this_host for node in record.report.nodes] == [True, False]


async def test_where_reboots_are_ignored_nobody_is_asked_and_this_host_is_known_by_its_name() -> None:
    preflight, record = preflight_of(Stage(poll=PollSettings(reboot="ignore"), asking_s=1000.0, host="n1"))
    await preflight.validate()
    await preflight.take_baselines()
    assert (record.asked_s, asyncio.get_running_loop().time()) == (None, BEGIN_S)
    assert [(node.this_host, node.boot_id_before) for node in record.report.nodes] == [(True, None), (False, None)]


async def test_a_foreign_run_is_watched_for_as_long_as_the_baselines_are_taken_and_no_longer() -> None:
    watched: list[str] = []

    class Watched(StageScript):
        async def watch_for_foreign_run(self) -> None:
            watched.append("begins")
            try:
                await asyncio.Event().wait()
            finally:
                watched.append("ends")

    stage = Stage(script=Watched())
    dependencies = stage.dependencies()

    async def ask(nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        await asyncio.sleep(1)
        watched.append("asked")
        return [up(OLD)(node, 0.0) for node in nodes]

    dependencies = replace(dependencies, baselines=ask)
    record = RunRecord(finished_report().but(phase=Phase.VALIDATING), dependencies)
    await Preflight(record, dependencies).take_baselines()
    assert watched == ["begins", "asked", "ends"]
