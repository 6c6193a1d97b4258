"""Begin a script's run exactly once, adopt it where somebody else was first, or find it again after a restart."""

import asyncio
import errno
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from pinakad.events import Event
from pinakad.linux.clock import boot_id
from pinakad.linux.files import sync_folder
from pinakad.printable import cause_of
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.script.launch_record import forbid_start, started_of
from pinakad.script.outcome import NotRun, Over, Running, Started
from pinakad.script.processes import is_ours, of_run, processes
from pinakad.script.records import adopted_record
from pinakad.script.run import ScriptRun
from pinakad.script.running_scripts import start_ticks, words_of_process
from pinakad.state.crash_points import CrashPoint, crash_point

log = logging.getLogger(__name__)

START_LIMIT_S = 30.0
_CHECK_EVERY_S = 0.02
_DISK_FULL_EVERY_S = 1.0
_DECIDED_WITHIN_S = 5.0  # on a busy host
_FOREIGN_EVERY_S = 0.1
_MARK_EVERY_S = 0.5  # a script that removes `started` at once is found by its environment
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Launch:
    """Begins the run, or finds that it has begun."""

    def __init__(self, run: ScriptRun) -> None:
        self._run = run

    async def watch_for_foreign_run(self) -> None:
        """Adopt a foreign run that begins before our launch, also one that would be over by then."""
        while self._run.status() is NotRun.YET:
            await self._adopt_if_any()
            await asyncio.sleep(_FOREIGN_EVERY_S)

    async def launch(self) -> Started | Refusal | None:
        """Start the script unless it was started before, by us or by others; return its start, or why there is none.

        None: the script is not ours to launch, and nobody else has started it yet. `started` is durable at the return:
        the supervisor makes it visible first, and a report that is based on it must not outlive it.

        Raises OSError where the start cannot be forbidden or the adoption cannot be recorded.
        """
        if self._run.resumed and self._run.status() is NotRun.YET:
            self._find_by_its_mark()
        if self._run.status() is NotRun.YET:
            failure = await self._start() if self._run.settings.launch else None
            if failure is not None:
                return await self._given_up(failure)
            if not self._run.settings.launch and not await self._adopt_if_any():
                return None
        shown = await self._until_shown()
        with suppress(OSError):  # a disk that fails now does not stop the run
            sync_folder(self._run.folder)
        return self._unless_refused(shown)

    async def appears(self, until_s: float) -> Started | None:
        """Wait until somebody else starts the script; return None where nobody has until `until_s` on the loop's clock.

        Raises OSError where the adoption cannot be recorded.
        """
        while not await self._adopt_if_any():
            if asyncio.get_running_loop().time() >= until_s:
                return None
            await asyncio.sleep(_FOREIGN_EVERY_S)
        found = self._run.status()
        return found.started if isinstance(found, Running | Over) else None

    async def _start(self) -> str | None:
        try:
            if self._run.sha256:
                self._run.record.require(self._run.sha256)
        except OSError:
            return "the start cannot be recorded in the state folder"
        with crash_point(CrashPoint.SUPERVISOR_STARTED):
            return await self._run.runner.start(self._run.spec())

    async def _adopt_if_any(self) -> bool:
        others = self._run.foreign_runs.foreign()
        if others:
            self._run.runner.call_off()
            await self._claim(lambda: self._run.record.adopt(*others[0]))
        return bool(others)

    def _unless_refused(self, found: Started | Refusal) -> Started | Refusal:
        if isinstance(found, Started) and found.adopted and self._run.refuses_foreign:
            return self._run.already_running(found.script_pid)
        return found

    def _find_by_its_mark(self) -> None:
        """Find a run whose `started` is gone, by the environment of our processes."""
        members = set(of_run(self._run.nodes_dir, None, None))
        for item in processes():
            ticks = start_ticks(item.pid)
            if item.pid in members and item.parent not in members and ticks is not None and is_ours(item.pid):
                began = started_of(json.loads(adopted_record(self._run.identifier, item.pid, ticks, boot_id())))
                above = item.parent if self._is_supervisor(item.parent) else 0
                above_ticks = start_ticks(above) if above else None
                self._run.record.seen = replace(
                    began, supervisor_pid=above, supervisor_start_ticks=above_ticks, adopted=False
                )
                return

    def _is_supervisor(self, pid: int) -> bool:
        """Tell whether it is a supervisor of this run: to end the family of any other parent would end strangers."""
        return str(self._run.folder) in words_of_process(pid) and is_ours(pid)

    async def _until_shown(self) -> Started | Refusal:
        loop = asyncio.get_running_loop()
        deadline_s, mark_at_s = loop.time() + START_LIMIT_S, loop.time() + _MARK_EVERY_S
        foreign_at_s = loop.time()
        while True:
            failure = await self._run.runner.failed()  # before the status: that then shows all that the supervisor did
            found = self._run.status()
            if isinstance(found, Running | Over):
                return await self._decided(found)
            if found is NotRun.EVER:
                return Refusal(Reason.LAUNCH_FAILED, f"the script was not started: {self._run.record.started()}")
            if failure is not None:
                return await self._given_up(failure)
            if loop.time() >= foreign_at_s:  # a unit takes its time to start: one that is short would be over by then
                foreign_at_s = loop.time() + _FOREIGN_EVERY_S
                await self._adopt_if_any()
            if loop.time() >= mark_at_s:
                mark_at_s = loop.time() + _MARK_EVERY_S
                self._find_by_its_mark()
            if loop.time() >= deadline_s:
                return await self._given_up(f"nothing showed that it runs within {START_LIMIT_S:.0f} s")
            await asyncio.sleep(_CHECK_EVERY_S)

    async def _decided(self, found: Running | Over) -> Started:
        """Wait until the supervisor has searched for a foreign run, which it does after `started` is visible."""
        deadline_s = asyncio.get_running_loop().time() + _DECIDED_WITHIN_S
        while isinstance(found, Running) and self._run.record.is_undecided(found.started):
            if asyncio.get_running_loop().time() >= deadline_s:
                break
            await asyncio.sleep(_CHECK_EVERY_S)
            found = now if isinstance(now := self._run.status(), Running | Over) else found
        return found.started

    async def forbid(self) -> None:
        """Make sure that the script never begins, unless it has begun. Raises OSError where that cannot be recorded."""
        if self._run.status() is NotRun.YET:
            self._find_by_its_mark()
        if self._run.status() is NotRun.YET:
            self._run.runner.call_off()
            await self._claim(lambda: forbid_start(self._run.folder))

    async def _given_up(self, failure: str) -> Started | Refusal:
        """Forbid the start, so that a late supervisor gives up; one that was faster counts."""
        self._run.runner.call_off()
        await self.forbid()
        found = self._run.status()
        if isinstance(found, Running | Over):
            return found.started
        return Refusal(Reason.LAUNCH_FAILED, f"the script was not started: {failure}")

    async def _claim(self, claim: Callable[[], None]) -> None:
        """Claim `started`, unless that is there; a full disk is waited out. Raises OSError for any other reason."""
        logged = False
        while True:
            try:
                claim()
            except FileExistsError:
                return
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
                if not logged:
                    text = "cannot write down in '%s' that the script will not run: %s; it is tried again"
                    log.error(text, self._run.folder, cause_of(error), extra=self._run.fields(Event.STORAGE))  # noqa: TRY400 - the disk's, no bug
                logged = True
                await asyncio.sleep(_DISK_FULL_EVERY_S)
            else:
                return
