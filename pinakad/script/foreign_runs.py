"""Who else runs the deployment script: somebody who starts it himself, or what an earlier run of ours has left?"""

import logging
import time
from dataclasses import replace
from pathlib import Path

from pinakad.events import Event, fields
from pinakad.linux.clock import here
from pinakad.problems import Code, Problem, Spot
from pinakad.script import running_scripts
from pinakad.script.outcome import Ended
from pinakad.script.processes import end_family, is_alive, process_ends

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 5.0
_MOST = 20
_NOBODY = 0


class ForeignRuns:
    """The processes that run `script`. `deployments`: the folder of all our deployments, by which ours are known."""

    def __init__(self, script: Path, deployments: Path) -> None:
        self.warnings: list[Problem] = []
        self._script = script
        self._deployments = deployments
        self._found: dict[int, int] = {}
        self._check_at_s = 0.0

    def foreign(self) -> list[tuple[int, int]]:
        """Return those that none of our deployments has started: pids and start ticks, oldest first."""
        return running_scripts.foreign_runs(str(self._script), str(self._deployments))

    def leftovers(self) -> list[Problem]:
        """Return a warning for each process that an earlier run of ours has left."""
        left = running_scripts.own_runs(str(self._script), str(self._deployments))[:_MOST]
        text = "process {}, which an earlier deployment has left in the background, still runs the script"
        spot = Spot(self._script.name)
        return [spot.warning(Code.SCRIPT_LEFT_RUNNING, text.format(pid)) for pid, _ in left]

    def check(self, followed: int, *, now: bool = False) -> None:
        """Take note of those that run beside the run that is followed: they cannot be kept from it any more.

        `followed`: the pid of that run's script. Unless `now`, it is done now and then only.
        """
        if not now and time.monotonic() < self._check_at_s:
            return
        self._check_at_s = time.monotonic() + _CHECK_EVERY_S
        for pid, ticks in self.foreign():
            if pid != followed and self._found.get(pid) != ticks and len(self._found) < _MOST:
                self._found[pid] = ticks
                text = f"process {pid}, which pinakad did not start, runs the script, too: it is run twice"
                warning = Spot(self._script.name).warning(Code.SCRIPT_DOUBLED, text)
                self.warnings.append(warning)
                log.warning("%s", warning.line(), extra=fields(Event.PROBLEM, reason=warning.code))

    async def outlast(self, ended: Ended) -> Ended:
        """Wait until all have ended, too, also who begins meanwhile; return the end, which is that of the last one."""
        self.check(_NOBODY, now=True)
        while living := [(pid, ticks) for pid, ticks in self._found.items() if is_alive(pid, ticks)]:
            await process_ends(*living[0])
            self.check(_NOBODY, now=not is_alive(*living[0]))
            ended = replace(ended, at=here())
        return ended

    async def end(self, followed: int) -> bool:
        """End all that run beside the run that is followed, with what they started. Return whether all are gone."""
        self.check(followed, now=True)
        return all([await end_family(pid, ticks) for pid, ticks in self._found.items() if is_alive(pid, ticks)])
