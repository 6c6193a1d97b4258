"""Killed at random moments, again and again: one run and one answer a request, whatever the script did meanwhile."""

import json
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from crashes import CRASHING, ORDINARY, assert_old_deadline
from machines import Machines
from world import World

from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, ScriptState

AT_ONCE = 3
SEED = 3
LONGEST_S = 1.0


class Kills:
    """One world whose daemon is killed; `requests` counts, and `codes` has what the script of each run ends with."""

    def __init__(self, root: Path, seed: int) -> None:
        root.mkdir()
        self.world = World(root)
        self.kills = self.requests = 0
        self.codes: dict[str, int] = {}
        self._random = random.Random(seed)  # noqa: S311 - a seed that is told, so that it can be done again
        self._machines = Machines(self.world)
        self._machines.add(1)
        self.world.add_node(1)
        self.world.configure(history={"keep": 1000})

    def go_on(self, kills: int) -> None:
        """Serve requests until there were so many kills; then look whether all is well."""
        while self.kills < kills:
            self._one_request(min(kills - self.kills, self._random.randint(1, 4)))
        runs = self.world.runs()
        assert sorted(runs) == sorted(set(runs)) == self.world.deployments()
        assert len(runs) == self.requests
        for identifier, code in self.codes.items():
            self._assert_right(self.world.report(identifier), code)

    def close(self) -> None:
        self._machines.close()
        self.world.close()

    def _one_request(self, kills: int) -> None:
        code, lasts_s = self._random.choice([0, 0, 7]), self._random.choice([0, 0.2, 0.8])
        self.world.write_script(f"sleep {lasts_s}; exit {code}")
        self.requests += 1
        self.world.touch()
        for _ in range(kills):
            self._kill()
            if self._random.random() < 0.5:
                self.world.wait(self._script_is_over, "the end of the script")
        self.world.program = ORDINARY
        self.world.start()
        report = self.world.answer()
        self.world.wait_idle()
        self.world.kill()
        self.codes[report.id] = code

    def _kill(self) -> None:
        self.world.program = CRASHING
        self.world.start(ready=False, CRASH_AFTER_S=f"{self._random.uniform(0.02, LONGEST_S):.3f}")
        assert self.world.wait(self.world.daemon_code, "the daemon's death") == -signal.SIGALRM
        self.kills += 1

    def _script_is_over(self) -> bool:
        """Tell whether no script runs, be it that none was started yet."""
        names = self.world.deployments()
        folder = self.world.folder(names[-1]) if names else None
        return folder is None or not (folder / "started").exists() or (folder / "exit").exists()

    def _assert_right(self, report: Report, code: int) -> None:
        assert report.outcome is (Outcome.FAILED if code else Outcome.COMPLETED), report.message
        assert report.script is not None
        assert (report.script.state, report.script.exit_code) == (ScriptState.EXITED, code)
        exited = json.loads((self.world.folder(report.id) / "exit").read_bytes())
        assert exited["exit_code"] == code
        assert_old_deadline(self.world, report)


def kill_at_random(root: Path, kills: int, seed: int) -> int:
    """Let the kills happen in some worlds at once; return how many requests were served."""
    root.mkdir()
    worlds = [Kills(root / f"w{number}", seed * 100 + number) for number in range(AT_ONCE)]
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(world.go_on, kills // AT_ONCE) for world in worlds]:
                done.result()
    finally:
        for world in worlds:
            world.close()
    return sum(world.requests for world in worlds)


def test_thirty_kills_at_random_moments_lose_nothing_and_do_nothing_twice(machines: Machines, tmp_path: Path) -> None:
    assert kill_at_random(tmp_path / "worlds", 30, SEED) >= AT_ONCE


@pytest.mark.long
@pytest.mark.timeout(900)
def test_three_hundred_kills_at_random_moments_lose_nothing_and_do_nothing_twice(
    machines: Machines, tmp_path: Path
) -> None:
    requests = kill_at_random(tmp_path / "worlds", 300, SEED + 1)
    print(f"300 kills, {requests} requests")
