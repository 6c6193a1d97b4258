"""Who else runs the deployment script: somebody who starts it himself, or what an earlier run of ours has left?"""

import logging
import time
from dataclasses import replace
from pathlib import Path

from pinakad import supervisor
from pinakad.events import Event, fields
from pinakad.launch_record import this_moment
from pinakad.outside import Ended
from pinakad.problems import Code, Problem, Spot
from pinakad.processes import is_alive, process_ends

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 5.0
_MOST = 20


class Rivals:
    """The processes that run `script`. `deployments`: the folder of all our deployments, by which ours are known."""

    def __init__(self, script: Path, deployments: Path) -> None:
        self.warnings: list[Problem] = []
        self._script = script
        self._deployments = deployments
        self._found: dict[int, int] = {}
        self._look_at_s = 0.0

    def foreign(self) -> list[tuple[int, int]]:
        """Return those that none of our deployments has started: pids and start ticks, oldest first."""
        return supervisor.foreign_runs(str(self._script), str(self._deployments))

    def leftovers(self) -> list[Problem]:
        """Return a warning for each process that an earlier run of ours has left."""
        left = supervisor.own_runs(str(self._script), str(self._deployments))[:_MOST]
        text = "process {}, which an earlier deployment has left in the background, still runs the script"
        spot = Spot(self._script.name)
        return [spot.warning(Code.SCRIPT_LEFT_RUNNING, text.format(pid)) for pid, _ in left]

    def look(self, *, at_once: bool = False) -> None:
        """Take note, now and then, of those that run beside our own run: they cannot be kept from it any more."""
        if time.monotonic() < self._look_at_s and not at_once:
            return
        self._look_at_s = time.monotonic() + _LOOK_EVERY_S
        for pid, ticks in self.foreign():
            if self._found.get(pid) != ticks and len(self._found) < _MOST:
                self._found[pid] = ticks
                text = f"process {pid}, which pinakad did not start, runs the script at the same time: it is run twice"
                warning = Spot(self._script.name).warning(Code.SCRIPT_DOUBLED, text)
                self.warnings.append(warning)
                log.warning("%s", warning.line(), extra=fields(Event.PROBLEM, reason=warning.code))

    async def outlast(self, ended: Ended) -> Ended:
        """Wait until all that were seen have ended, too; return the end, which is that of the last one."""
        for pid, ticks in self._found.items():
            while is_alive(pid, ticks):
                await process_ends(pid, ticks)
                ended = replace(ended, at=this_moment())
        return ended
