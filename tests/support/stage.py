"""A deployment's outside as plain callables, on the loop's own time: what is told to whom, and when?"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from report_example import LAUNCH_S, new_report

from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.deployment import Deployment
from pinakad.nodes.reading import ParsedNodeFile, read_file
from pinakad.polling.node_poll import NodePoll
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.problems import Code, Problem, Spot
from pinakad.report.document import Report, ScriptPart
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Reason, Refusal, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Instant, Moment

THIS_BOOT, OTHER_BOOT = "boot-of-this-host", "another-boot"
OLD, NEW = "old-boot-of-a-node", "new-boot-of-a-node"
BEGIN_S = 1000.0


def loop_s() -> float:
    return asyncio.get_running_loop().time()


def node_file(number: int, hostname: str = "", address: str = "") -> ParsedNodeFile:
    interface = {
        "interface_name": "eno1",
        "type": ["Primary"],
        "vlan_id": "",
        "ip": address or f"192.0.2.{number}",
    }
    hostname = hostname or f"n{number}"
    value: dict[str, object] = {"hostname": hostname, "disk": [f"wwn-of-{hostname}"], "roles": ["Control"]}
    value["using_interfaces"] = {"interface_01": interface}
    return read_file(f"node_{number:02}.json", json.dumps(value).encode(), allow_loopback=False)


def up(boot_id: str | None = NEW, hostname: str | None = None) -> Callable[[NodeReport, float], AttemptResult]:
    """Answer with `boot_id` at the first node, and with one of its own at each other; THIS_BOOT is one host's."""

    def answer(node: NodeReport, _t: float) -> AttemptResult:
        own = boot_id if boot_id in (None, THIS_BOOT) or node.hostname == "n1" else f"{boot_id}-of-{node.hostname}"
        return AttemptResult(loop_s(), Rung.COMMAND, None, "", None, own, None, hostname or node.hostname)

    return answer


def down(_node: NodeReport, _t: float) -> AttemptResult:
    return AttemptResult(loop_s(), None, NodeReason.REFUSED, "cannot connect: connection refused")


@dataclass
class StageScript:
    """A script that exits by the plan: so many seconds after its launch, in a certain way."""

    exits_after_s: float | None = 0.0
    how: Ended = field(default_factory=lambda: Ended(ScriptState.EXITED, code=0))
    trouble: Refusal | None = None
    launch_failure: str = ""
    launched: Moment | None = None
    launches: int = 0
    end_calls: list[float] = field(default_factory=list)
    left: Ended | None = None
    """What `end` says, where it cannot end it."""
    bugs: set[str] = field(default_factory=set)
    now: Callable[[], Instant] = lambda: Instant(loop_s(), LAUNCH_S + loop_s())

    def problem(self) -> Refusal | None:
        return self.trouble

    @contextmanager
    def launch_prepared(self) -> Iterator[None]:
        """Nothing takes its time here."""
        if "launch_prepared" in self.bugs:
            raise ZeroDivisionError
        yield

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        warning = Spot("x.sh").warning(Code.NOT_EXECUTABLE, "cannot set the executable bit")
        return ScriptPart(path="/srv/x.sh", sha256="0" * 64, runner="subprocess"), [warning]

    async def watch_for_foreign_run(self) -> None:
        """Nobody else runs anything here."""

    async def appears(self, until_s: float) -> Started | None:
        await asyncio.sleep(max(0.0, until_s - loop_s()))
        return None

    async def launch(self) -> Started | Refusal | None:
        if self.launch_failure:
            return Refusal(Reason.LAUNCH_FAILED, self.launch_failure)
        if self.launched is None:
            self.launches += 1
            now = self.now()
            self.launched = Moment(THIS_BOOT, now.boot_s, now.wall_s)
        return Started(11, 12, 13, self.launched)

    async def ended(self) -> Ended:
        if "ended" in self.bugs:
            raise ZeroDivisionError
        assert self.launched is not None
        if self.exits_after_s is None:
            await asyncio.Event().wait()
        exit_s = self.launched.boot_s + (self.exits_after_s or 0)
        await asyncio.sleep(max(0.0, exit_s - loop_s()))
        return self._ended()

    def _ended(self) -> Ended:
        assert self.launched is not None
        if self.how.state is not ScriptState.EXITED:
            return self.how
        exit_s = self.launched.boot_s + (self.exits_after_s or 0)
        return replace(self.how, at=Moment(THIS_BOOT, exit_s, LAUNCH_S + exit_s))

    def has_ended(self) -> Ended | None:
        assert self.launched is not None
        if self.exits_after_s is None or self.launched.boot_s + self.exits_after_s > loop_s():
            return None
        return self._ended()

    async def end(self) -> Ended | None:
        self.end_calls.append(loop_s() - BEGIN_S)
        if "end" in self.bugs:
            raise ZeroDivisionError
        if self.launched is None or self.left is not None:
            return self.left
        return Ended(ScriptState.EXITED, signal=15, at=Moment(THIS_BOOT, loop_s(), LAUNCH_S + loop_s()))


@dataclass
class Stage:
    """Everything outside of a deployment, and a memory of what happened there."""

    files: list[ParsedNodeFile] | Refusal = field(default_factory=lambda: [node_file(1), node_file(2)])
    script: StageScript | None = field(default_factory=StageScript)
    answer: Callable[[NodeReport, float], AttemptResult] = field(default_factory=up)
    baseline: Callable[[NodeReport, float], AttemptResult] = field(default_factory=lambda: up(OLD))
    key_problem: Refusal | None = None
    poll: PollSettings = field(default_factory=lambda: PollSettings(attempts=4))
    host: str = "deploy"
    boot_id: str = THIS_BOOT
    request_nodes: list[str] | None = None
    reading_s: float = 0.0
    asking_s: float = 0.0
    saving_s: float = 0.0
    saved: list[tuple[str, bool, float, Report]] = field(default_factory=list)
    told: list[tuple[str, float]] = field(default_factory=list)
    asked: list[tuple[str, float]] = field(default_factory=list)
    asked_at_old: list[list[str | None]] = field(default_factory=list)
    answer_at_old: Callable[[NodeReport], AttemptResult] = lambda node: down(node, 0.0)
    snapshots: list[list[str]] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    awaited: str = ""
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def report(self) -> Report:
        """Return the report of a request that was just taken."""
        report = new_report()
        policy = report.policy.model_copy(update={"poll": self.poll})
        request = report.request.model_copy(update={"nodes": self.request_nodes})
        clock = report.clock.model_copy(update={"boot_id": THIS_BOOT, "taken_boot_s": BEGIN_S})
        return report.model_copy(update={"policy": policy, "request": request, "clock": clock})

    def deployment(self, report: Report | None = None, *, resumed: bool = False) -> Deployment:
        return Deployment(report or self.report(), self.dependencies(), resumed=resumed)

    async def run(self, report: Report | None = None, *, resumed: bool = False) -> Report:
        finished = await self.deployment(report, resumed=resumed).run()
        assert self.saved[-1][0] == "finished"
        return finished

    async def _key_problem(self) -> Refusal | None:
        return self.key_problem

    def dependencies(self) -> Dependencies:
        return Dependencies(
            boot_id=self.boot_id,
            host=self.host,
            now=lambda: Instant(loop_s(), LAUNCH_S + loop_s()),
            save=self._save,
            publish_due=lambda: True,
            publish_progress=self._publish_progress,
            publish=lambda report: self.told.append((report.phase, loop_s())),
            read_nodes=self._read_nodes,
            snapshot=self._snapshot,
            script=self.script,
            key_problem=self._key_problem,
            baselines=self._baselines,
            attempt=self._ask,
            at_old_addresses=self._ask_at_old_addresses,
        )

    async def _publish_progress(self, report: Report, polls: Sequence[NodePoll]) -> None:
        assert len(polls) == len(report.nodes)
        self.told.append((report.phase, loop_s()))

    async def reaches(self, phase: str) -> None:
        """Wait until a phase is written down."""
        self.awaited = phase
        await self.reached.wait()

    def phases(self) -> list[str]:
        return [phase for phase, _, _, _ in self.saved]

    def at(self, phase: str) -> Report:
        """Return the report as it was written down at a phase, read back."""
        text = next(report for name, _, _, report in self.saved if name == phase).json_text()
        return Report.model_validate_json(text)

    async def _save(self, report: Report, *, must: bool) -> None:
        self.saved.append((report.phase, must, loop_s() - BEGIN_S, report))
        if report.phase == self.awaited:
            self.reached.set()
        await asyncio.sleep(self.saving_s)
        self.written.append(report.phase)

    async def _read_nodes(self) -> list[ParsedNodeFile] | Refusal:
        await asyncio.sleep(self.reading_s)
        return self.files

    async def _snapshot(self, files: Mapping[str, bytes]) -> None:
        self.snapshots.append(list(files))
        await asyncio.sleep(0)

    async def _baselines(self, nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        await asyncio.sleep(self.asking_s)
        return [self.baseline(node, 0.0) for node in nodes]

    async def _ask_at_old_addresses(self, nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        self.asked_at_old.append([node.current for node in nodes])
        await asyncio.sleep(0.01)
        return [self.answer_at_old(node) for node in nodes]

    async def _ask(self, node: NodeReport, _stalled: bool, _judge: object) -> AttemptResult:
        self.asked.append((node.hostname, round(loop_s() - BEGIN_S, 3)))
        probe: Any = self.answer(node, loop_s() - BEGIN_S)
        await asyncio.sleep(0.01)
        return probe
