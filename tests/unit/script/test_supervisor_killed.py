"""The supervisor killed in each of its steps: at most one run, nothing left running, and the verdict says so."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from paths import PROGRAMS
from processes import end_all_that_mention, mentioning
from report_example import new_report
from scripts import supervisor_program
from stage import node_file

from pinakad.config import ScriptSettings
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.deployment import Deployment
from pinakad.linux.clock import here, now
from pinakad.linux.loop import BootClockLoop
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, Rung
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Reason, Refusal
from pinakad.script import supervisor
from pinakad.script.outcome import NotRun
from pinakad.script.processes import of_run
from pinakad.script.runners import SubprocessRunner
from pinakad.script.script import ScriptOnDisk
from pinakad.script.supervisor import Spec

PROGRAM = PROGRAMS / "crashing_supervisor.py"
SCRIPT_S = 0.3
DEADLINE_S = 10.0
IDENTIFIER = "20261123T212455Z.0001"


class CrashingRunner(SubprocessRunner):
    """A supervisor that gets a signal right before a call to the system."""

    def __init__(self, number: signal.Signals, at: str) -> None:
        super().__init__()
        self._number = number
        self._at = at

    async def start(self, spec: Spec) -> str | None:
        words = [supervisor_program(), str(int(self._number)), self._at, *spec.words()]
        command = [sys.executable, "-I", "-S", PROGRAM, *words]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: ASYNC220
        return None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The supervisor, once it was started."""
        assert self._process is not None
        return self._process

    def is_stopped(self) -> bool:
        """Tell whether it is stopped."""
        return self._process is not None and bool(os.waitid(os.P_PID, self._process.pid, _HAS_STOPPED))


_HAS_STOPPED = os.WSTOPPED | os.WNOHANG | os.WNOWAIT


class Case:
    """One deployment with a real script, whose supervisor is not well."""

    def __init__(self, root: Path, runner: CrashingRunner) -> None:
        self.root, self.runner = root, runner
        self.folder = root / IDENTIFIER
        self.folder.mkdir(parents=True)
        path = root / "deploy.sh"
        path.write_text(f'echo run >> "{root}/runs"\nsleep {SCRIPT_S}\n')
        self.script = ScriptOnDisk(self.folder, IDENTIFIER, path, root, ScriptSettings(), runner)
        report = new_report()
        poll = PollSettings(delay_s=0, interval_s=0.05, attempts=100, reboot="ignore")
        policy = report.policy.model_copy(update={"poll": poll})
        self.deployment = Deployment(report.model_copy(update={"policy": policy}), self._dependencies())

    def run(self) -> Report:
        """Let the deployment happen."""
        with asyncio.Runner(loop_factory=BootClockLoop) as loop:
            return loop.run(self.deployment.run())

    def runs(self) -> int:
        file = self.root / "runs"
        return file.read_text().count("run") if file.exists() else 0

    def _dependencies(self) -> Dependencies:
        async def nothing(*_: object, **__: object) -> None:
            pass

        async def up(*_: object) -> AttemptResult:
            return AttemptResult(now().boot_s, Rung.COMMAND, None)

        async def files() -> list[Any]:
            return [node_file(1)]

        async def nobody(nodes: Any) -> list[AttemptResult]:
            return [await up(node) for node in nodes]

        async def usable() -> Refusal | None:
            return None

        return Dependencies(
            boot_id=here().boot_id,
            host="deploy",
            now=now,
            save=nothing,
            publish=lambda _: None,
            publish_due=lambda: True,
            publish_progress=nothing,
            read_nodes=files,
            snapshot=nothing,
            script=self.script,
            key_problem=usable,
            baselines=nobody,
            attempt=up,
            at_old_addresses=nobody,
        )


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    end_all_that_mention(str(tmp_path))


def test_killed_at_any_call_it_is_one_run_or_none_and_the_verdict_says_which(root: Path) -> None:
    seen: set[Reason | None] = set()
    for number in count():
        case = Case(root / str(number), CrashingRunner(signal.SIGKILL, str(number)))
        report = case.run()
        seen.add(report.reason)
        assert_says_what_happened(case, report)
        assert of_run(str(case.folder / "nodes"), None, None) == []
        if case.runner.process.wait(DEADLINE_S) == 0:  # it makes no such call any more
            break
        wait_until_nothing_runs(case)
    assert report.outcome is Outcome.COMPLETED
    assert seen == {None, Reason.LAUNCH_FAILED, Reason.SCRIPT_LOST}
    assert number > 30


def assert_says_what_happened(case: Case, report: Report) -> None:
    started, exited = ((case.folder / name).exists() for name in ("started", "exit"))
    assert case.runs() <= 1
    if report.reason is Reason.LAUNCH_FAILED:
        assert case.runs() == 0
        assert case.script.status() is NotRun.EVER
    elif report.reason is Reason.SCRIPT_LOST:
        assert started
        assert not exited
    else:
        assert report.outcome is Outcome.COMPLETED
        assert case.runs() == 1
        assert started
        assert exited


def wait_until_nothing_runs(case: Case) -> None:
    """What waited for its supervisor's word goes by itself when that is gone."""
    ends_s = time.monotonic() + DEADLINE_S
    while left := mentioning(str(case.root)):
        assert time.monotonic() < ends_s, left
        time.sleep(0.01)


@pytest.mark.parametrize("at", ["fork", "open", "flock", "fsync", "link"])
def test_one_that_wakes_up_after_the_run_was_ended_runs_nothing(root: Path, at: str) -> None:
    case = Case(root / "case", CrashingRunner(signal.SIGSTOP, at))

    async def end_it_meanwhile() -> None:
        await case.runner.start(case.script._run.spec())
        async with asyncio.timeout(DEADLINE_S):
            while not case.runner.is_stopped():  # noqa: ASYNC110 - the event is another process's
                await asyncio.sleep(0.01)
        assert await case.script.end() is None

    asyncio.run(end_it_meanwhile())
    case.runner.process.send_signal(signal.SIGCONT)
    assert case.runner.process.wait(DEADLINE_S) == supervisor.GAVE_UP
    assert case.runs() == 0
    assert not (case.folder / "exit").exists()
    wait_until_nothing_runs(case)
