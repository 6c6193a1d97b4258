"""The end of a script's run: waited for, read from what its supervisor has left, or brought about."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from pinakad.events import Event
from pinakad.linux.clock import boot_id, here
from pinakad.problems import Code, Problem, Spot
from pinakad.report.vocabulary import ScriptState
from pinakad.script.launch import Launch
from pinakad.script.outcome import Ended, NotRun, Over, Running
from pinakad.script.processes import end_family, process_ends, wake
from pinakad.script.run import ScriptRun, checksum
from pinakad.state.crash_points import CrashPoint, crash_point

log = logging.getLogger(__name__)

_CHECK_EVERY_S = 0.02
_AFTER_END_S = 5.0


class Ending:
    """Waits for the end of a run that has begun, or ends it."""

    def __init__(self, run: ScriptRun, launch: Launch) -> None:
        self._run = run
        self._launch = launch

    async def ended(self) -> Ended:
        """Wait until the script has ended, by whatever means, and return how.

        If it went well, the end of every foreign run beside it is waited for, too. Raises RuntimeError where the script
        was never started.
        """
        while True:
            found = self._run.status()
            if isinstance(found, NotRun):
                raise RuntimeError(f"cannot wait for the script in '{self._run.folder}': it was not started")  # noqa: TRY004
            if not self._run.record.is_undecided(found.started):
                self._run.foreign_runs.check(found.started.script_pid)
            if isinstance(found, Over):
                return await self._with_foreign_runs(await self._with_time(found.ended))
            if wake(found.started.supervisor_pid):
                log.warning(
                    "the script's supervisor was stopped: it goes on now", extra=self._run.fields(Event.STORAGE)
                )
            await process_ends(found.started.script_pid, found.started.script_start_ticks)

    async def _with_foreign_runs(self, ended: Ended) -> Ended:
        if ended.state is ScriptState.EXITED and (ended.adopted or ended.code == 0):
            ended = await self._run.foreign_runs.outlast(ended)
        return replace(ended, warnings=(*self._run.foreign_runs.warnings, *self._edits(ended)))

    def _edits(self, ended: Ended) -> list[Problem]:
        """Return a warning where the file was changed since its check: a shell reads on in what is edited in place."""
        try:
            changed = self._run.sha256 and checksum(self._run.path) != self._run.sha256
        except OSError:
            changed = False  # the shell has the file open that was there
        if ended.adopted or ended.not_run or not changed:
            return []
        text = f"'{self._run.path}' was changed while it ran: what ran may not be what its sha256 in the report names"
        return [Spot(self._run.path.name).warning(Code.SCRIPT_CHANGED, text)]

    async def _with_time(self, ended: Ended) -> Ended:
        """Add to the end of an adopted script when it was seen, which is made durable for the next daemon."""
        if not ended.adopted or ended.at is not None or ended.state is not ScriptState.EXITED:
            return ended
        with suppress(OSError):
            await asyncio.to_thread(self._run.record.leave_end_of_adopted)
        found = self._run.status()
        seen = found.ended if isinstance(found, Over) else ended
        return seen if seen.at is not None else replace(seen, at=here())

    def has_ended(self) -> Ended | None:
        """Return how the script has ended by now, None while it runs."""
        found = self._run.status()
        return found.ended if isinstance(found, Over) else None

    async def end(self) -> Ended | None:
        """End the script with everything that it started; return None where it never began, and now never will."""
        await self._launch.forbid()
        found = self._run.status()
        if isinstance(found, NotRun) or (found.started.adopted and self._run.refuses_foreign):
            return None
        if isinstance(found, Over) and found.started.at.boot_id != boot_id():
            return found.ended  # nothing outlived the boot, and the pids are somebody else's now
        if found.started.adopted:
            return await self._end_adopted(found)
        with crash_point(CrashPoint.SCRIPT_ENDED):
            wake(found.started.supervisor_pid)  # only a supervisor that runs can leave how the script ends
            await self._run.runner.stop(self._run.nodes_dir, found.started)
        deadline_s = asyncio.get_running_loop().time() + _AFTER_END_S
        # the event is a file of another process
        while isinstance(now := self._run.status(), Running) and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_CHECK_EVERY_S)
        ended = now.ended if isinstance(now, Over) else Ended(ScriptState.LOST)
        return replace(ended, warnings=tuple(self._run.foreign_runs.warnings))

    async def _end_adopted(self, found: Running | Over) -> Ended:
        pid = found.started.script_pid
        with crash_point(CrashPoint.SCRIPT_ENDED):
            gone = isinstance(found, Over) or await end_family(pid, found.started.script_start_ticks)
            others_gone = await self._run.foreign_runs.end(pid)
        if gone and others_gone:
            now = self._run.status()
            return await self._with_time(now.ended if isinstance(now, Over) else Ended(ScriptState.LOST))
        text = f"process {pid}, which somebody else started, may not be ended by pinakad: it still runs the script"
        left = Spot(self._run.path.name).warning(Code.SCRIPT_LEFT_RUNNING, text)
        return Ended(ScriptState.RUNNING, adopted=True, warnings=(left,))
