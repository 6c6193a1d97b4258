"""The deployment script: launched exactly once, found again after any restart, waited for, ended.

What is so is told by the files that its supervisor leaves (`started`, its lock, `exit`); the law is in `look`.
"""

import asyncio
import errno
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from hashlib import file_digest
from pathlib import Path
from typing import Any

from pinakad.config import ScriptSettings
from pinakad.events import Event, fields
from pinakad.linux import limits
from pinakad.linux.clock import boot_id
from pinakad.linux.files import sync_folder
from pinakad.problems import Code, Problem, Spot, cause_of
from pinakad.report.document import ScriptPart
from pinakad.report.vocabulary import Reason, Refusal, ScriptState
from pinakad.script import supervisor
from pinakad.script.environment import environment, make_executable, unreadable
from pinakad.script.foreign_runs import ForeignRuns
from pinakad.script.launch_record import LaunchRecord, started_of, this_moment
from pinakad.script.outcome import Ended, Started
from pinakad.script.permissions import refusal
from pinakad.script.processes import end_family, is_ours, of_run, process_ends, processes, wake
from pinakad.script.runners import Runner, runner_for
from pinakad.state.crash_points import CrashPoint, crash_point

log = logging.getLogger(__name__)

START_LIMIT_S = 30.0
_LOOK_S = 0.02
_AFTER_END_S = 5.0
_ROOM_S = 1.0
_DECIDES_WITHIN_S = 5.0  # on a busy host
_FOREIGN_LOOK_S = 0.1
_MARK_EVERY_S = 0.5  # a script that removes `started` at once is found by its environment
_PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True, slots=True)
class Running:
    """The supervisor lives."""

    started: Started


@dataclass(frozen=True, slots=True)
class Over:
    """The script was started and has ended, one way or another."""

    started: Started
    ended: Ended


class NotRun(Enum):
    """The script does not run, and: nothing shows that it ever did; a tombstone says that it never will."""

    YET = "yet"
    EVER = "ever"


Look = NotRun | Running | Over


class ScriptOnDisk:
    """The script of one deployment, whose folder has the supervisor's files.

    `expected`: the report's entry, where the run is an earlier daemon's: what it names is what runs. `seen`: what that
    daemon knew of the start. `runner`: by default, as it is set.
    """

    def __init__(
        self,
        folder: Path,
        identifier: str,
        path: Path,
        work_dir: Path,
        settings: ScriptSettings,
        runner: Runner | None = None,
        *,
        expected: ScriptPart | None = None,
        seen: Started | None = None,
    ) -> None:
        self.folder = folder
        self._id = identifier
        self._nodes_dir = str(folder / "nodes")
        self.path = Path(expected.path) if expected else path
        self._work_dir = Path(expected.work_dir) if expected and expected.work_dir else work_dir
        self._sha256 = expected.sha256 if expected else None
        self._resumed = expected is not None
        self._settings = settings
        self._record = LaunchRecord(folder, identifier, seen)
        self._foreign_runs = ForeignRuns(self.path, folder.parent)
        self._runner = runner or runner_for(settings, identifier)

    def stand_by(self) -> None:
        """Get ready for a launch that may never come."""
        if self._settings.launch:
            self._runner.stand_by(self._spec())

    def stand_down(self) -> None:
        """No launch will come any more."""
        self._runner.stand_down()

    def problem(self) -> Refusal | None:
        """Return why it cannot be launched, None where it can, or where that is not ours to do."""
        if not self._settings.launch:
            return None
        try:
            self._sha256 = _checksum(self.path)
            cause = unreadable(self.path) or (None if self._runner.makes_executable else refusal(self.path))
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            reason = Reason.SCRIPT_NOT_FOUND if missing else Reason.SCRIPT_NOT_RUNNABLE
            return Refusal(reason, f"cannot run '{self.path}': {cause_of(error)}")
        if cause:
            return Refusal(Reason.SCRIPT_NOT_RUNNABLE, f"cannot run '{self.path}': {cause}")
        others = self._foreign_runs.foreign() if self._settings.foreign == "refuse" else []
        return self._already_running(others[0][0]) if others else None

    def _already_running(self, pid: int) -> Refusal:
        text = f"'{self.path}' is already run by process {pid}, which pinakad did not start"
        return Refusal(Reason.SCRIPT_ALREADY_RUNNING, text)

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        """Set the executable bit where it is missing; return the report's entry, and warnings."""
        settings = self._settings
        part = ScriptPart(
            path=str(self.path),
            sha256=self._sha256 or "",
            work_dir=str(self._work_dir),
            runner=settings.runner,
            log=str(self.folder / supervisor.LOG) if settings.output == "file" and settings.launch else None,
        )
        warnings = self._foreign_runs.leftovers()
        failure = None if self._runner.makes_executable or not settings.launch else make_executable(self.path)
        if failure is not None:
            text = f"cannot set the executable bit of '{self.path}': {failure}; it runs all the same"
            warnings.append(Spot(self.path.name).warning(Code.NOT_EXECUTABLE, text))
        return part, warnings

    def look(self) -> Look:
        """Tell from the files how it stands. `exit` decides; without it, whether somebody lives who may leave one."""
        started = self._record.started()
        if started is None:
            return NotRun.YET
        if isinstance(started, str):
            return NotRun.EVER
        ended = self._record.ended(started)
        if ended is None and self._record.is_followed(started):
            return Running(started)
        ended = ended or self._record.ended(started)  # it may have come before the supervisor went
        if ended is not None:
            return Over(started, ended)
        if started.at.boot_id != boot_id():
            return Over(started, Ended(ScriptState.INTERRUPTED))
        return Over(started, Ended(ScriptState.EXITED, adopted=True) if started.adopted else Ended(ScriptState.LOST))

    # --- its begin

    async def watch_for_foreign_run(self) -> None:
        """Adopt a run that somebody else begins while we are about to launch one: also one that is over by then."""
        while self.look() is NotRun.YET:
            await self._adopt_if_any()
            await asyncio.sleep(_FOREIGN_LOOK_S)

    async def launch(self) -> Started | Refusal | None:
        """Start it unless it was started before, or somebody else has; return what is known of that, or why not.

        `started` is durable at the return: its supervisor makes it visible first, and a report that is written on it
        must not outlive it.
        """
        if self._resumed and self.look() is NotRun.YET:
            self._find_by_its_mark()
        if self.look() is NotRun.YET:
            failure = await self._start() if self._settings.launch else None
            if failure is not None:
                return await self._given_up(failure)
            if not self._settings.launch and not await self._adopt_if_any():
                return None
        shown = await self._shown()
        with suppress(OSError):  # a disk that fails now does not stop the run
            sync_folder(self.folder)
        return self._unless_refused(shown)

    async def appears(self, until_s: float) -> Started | None:
        """Wait until somebody else starts it; None where nobody has until `until_s` on the loop's clock."""
        while not await self._adopt_if_any():
            if asyncio.get_running_loop().time() >= until_s:
                return None
            await asyncio.sleep(_FOREIGN_LOOK_S)
        found = self.look()
        return found.started if isinstance(found, Running | Over) else None

    async def _start(self) -> str | None:
        try:
            if self._sha256:
                self._record.require(self._sha256)
        except OSError:
            return "the start cannot be recorded in the state folder"
        with crash_point(CrashPoint.SUPERVISOR_STARTED):
            return await self._runner.start(self._spec())

    async def _adopt_if_any(self) -> bool:
        others = self._foreign_runs.foreign()
        if others:
            self._runner.stand_down()
            await self._write_down(lambda: self._record.adopt(*others[0]))
        return bool(others)

    def _unless_refused(self, found: Started | Refusal) -> Started | Refusal:
        if isinstance(found, Started) and found.adopted and self._refuses:
            return self._already_running(found.script_pid)
        return found

    @property
    def _refuses(self) -> bool:
        return self._settings.foreign == "refuse" and self._settings.launch

    def _find_by_its_mark(self) -> None:
        """Find a run whose `started` is gone by what processes of ours have in their environment."""
        members = set(of_run(self._nodes_dir, None, None))
        for item in processes():
            ticks = supervisor.start_ticks(item.pid)
            if item.pid in members and item.parent not in members and ticks is not None and is_ours(item.pid):
                began = started_of(json.loads(supervisor.adopted_record(self._id, item.pid, ticks)))
                above = item.parent if self._is_supervisor(item.parent) else 0
                above_ticks = supervisor.start_ticks(above) if above else None
                self._record.seen = replace(
                    began, supervisor_pid=above, supervisor_start_ticks=above_ticks, adopted=False
                )
                return

    def _is_supervisor(self, pid: int) -> bool:
        """Tell whether it is a supervisor of this run: with another parent's family we would end who knows whom."""
        return str(self.folder) in supervisor.words_of_process(pid) and is_ours(pid)

    async def _shown(self) -> Started | Refusal:
        loop = asyncio.get_running_loop()
        deadline_s, mark_at_s = loop.time() + START_LIMIT_S, loop.time() + _MARK_EVERY_S
        foreign_at_s = loop.time()
        while True:
            failure = await self._runner.failed()  # asked before we look: what it did before it ended, we then see
            found = self.look()
            if isinstance(found, Running | Over):
                return await self._decided(found)
            if found is NotRun.EVER:
                return Refusal(Reason.LAUNCH_FAILED, f"the script was not started: {self._record.started()}")
            if failure is not None:
                return await self._given_up(failure)
            if loop.time() >= foreign_at_s:  # a unit takes its time to start: one that is short would be over by then
                foreign_at_s = loop.time() + _FOREIGN_LOOK_S
                await self._adopt_if_any()
            if loop.time() >= mark_at_s:
                mark_at_s = loop.time() + _MARK_EVERY_S
                self._find_by_its_mark()
            if loop.time() >= deadline_s:
                return await self._given_up(f"nothing showed that it runs within {START_LIMIT_S:.0f} s")
            await asyncio.sleep(_LOOK_S)

    async def _decided(self, found: Running | Over) -> Started:
        """Wait until its supervisor has looked for a foreign run, which it does after `started` is visible."""
        deadline_s = asyncio.get_running_loop().time() + _DECIDES_WITHIN_S
        while isinstance(found, Running) and self._record.is_undecided(found.started):
            if asyncio.get_running_loop().time() >= deadline_s:
                break
            await asyncio.sleep(_LOOK_S)
            found = now if isinstance(now := self.look(), Running | Over) else found
        return found.started

    # --- its end

    async def ended(self) -> Ended:
        """Wait until it has ended, by whatever means; so has what somebody else began beside it, if it went well."""
        while True:
            found = self.look()
            if isinstance(found, NotRun):
                raise RuntimeError(f"cannot wait for the script in '{self.folder}': it was not started")  # noqa: TRY004
            if not self._record.is_undecided(found.started):
                self._foreign_runs.look(found.started.script_pid)
            if isinstance(found, Over):
                return await self._with_rivals(await self._with_time(found.ended))
            if wake(found.started.supervisor_pid):
                log.warning("the script's supervisor was stopped: it goes on now", extra=self._fields(Event.STORAGE))
            await process_ends(found.started.script_pid, found.started.script_start_ticks)

    async def _with_rivals(self, ended: Ended) -> Ended:
        if ended.state is ScriptState.EXITED and (ended.adopted or ended.code == 0):
            ended = await self._foreign_runs.outlast(ended)
        return replace(ended, warnings=(*self._foreign_runs.warnings, *self._edits(ended)))

    def _edits(self, ended: Ended) -> list[Problem]:
        """Return a warning where the file was changed since its check: a shell reads on in what is edited in place."""
        try:
            changed = self._sha256 and _checksum(self.path) != self._sha256
        except OSError:
            changed = False  # the shell has the file open that was there
        if ended.adopted or ended.not_run or not changed:
            return []
        text = f"'{self.path}' was changed while it ran: what ran may not be what its sha256 in the report names"
        return [Spot(self.path.name).warning(Code.SCRIPT_CHANGED, text)]

    async def _with_time(self, ended: Ended) -> Ended:
        """Of an adopted script's end is known when it was seen; that counts after a restart, too."""
        if not ended.adopted or ended.at is not None or ended.state is not ScriptState.EXITED:
            return ended
        with suppress(OSError):
            await asyncio.to_thread(self._record.leave_end_of_adopted)
        found = self.look()
        seen = found.ended if isinstance(found, Over) else ended
        return seen if seen.at is not None else replace(seen, at=this_moment())

    def has_ended(self) -> Ended | None:
        """Return how it has ended by now, None while it runs."""
        found = self.look()
        return found.ended if isinstance(found, Over) else None

    async def end(self) -> Ended | None:
        """End it with everything that it started; None where it never began, and now never will."""
        if self.look() is NotRun.YET:
            self._find_by_its_mark()
        if self.look() is NotRun.YET:
            self._runner.stand_down()
            await self._write_down(self._record.forbid)
        found = self.look()
        if isinstance(found, NotRun) or (found.started.adopted and self._refuses):
            return None
        if isinstance(found, Over) and found.started.at.boot_id != boot_id():
            return found.ended  # nothing outlived the boot, and the pids are somebody else's now
        if found.started.adopted:
            return await self._end_adopted(found)
        with crash_point(CrashPoint.SCRIPT_ENDED):
            wake(found.started.supervisor_pid)  # it is to tell how the script ends
            await self._runner.stop(self._nodes_dir, found.started)
        deadline_s = asyncio.get_running_loop().time() + _AFTER_END_S
        # the event is a file of another process
        while isinstance(now := self.look(), Running) and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        ended = now.ended if isinstance(now, Over) else Ended(ScriptState.LOST)
        return replace(ended, warnings=tuple(self._foreign_runs.warnings))

    async def _end_adopted(self, found: Running | Over) -> Ended:
        pid = found.started.script_pid
        with crash_point(CrashPoint.SCRIPT_ENDED):
            gone = isinstance(found, Over) or await end_family(pid, found.started.script_start_ticks)
            others_gone = await self._foreign_runs.end(pid)
        if gone and others_gone:
            now = self.look()
            return await self._with_time(now.ended if isinstance(now, Over) else Ended(ScriptState.LOST))
        text = f"process {pid}, which somebody else started, may not be ended by pinakad: it still runs the script"
        left = Spot(self.path.name).warning(Code.SCRIPT_LEFT_RUNNING, text)
        return Ended(ScriptState.RUNNING, adopted=True, warnings=(left,))

    def _spec(self) -> dict[str, Any]:
        """Return what a supervisor needs to know. No input of a user is in it."""
        return {
            "id": self._id,
            "folder": str(self.folder),
            "script": str(self.path),
            "cwd": str(self._work_dir),
            "environment": environment(self._id, Path(self._nodes_dir), self._work_dir),
            "output": self._settings.output,
            "log_max_bytes": self._settings.log_max_bytes,
            "open_files": limits.inherited()[0],
        }

    async def _given_up(self, failure: str) -> Started | Refusal:
        """A late supervisor must not start it after all; one that was faster than us counts."""
        self._runner.stand_down()
        self._find_by_its_mark()
        if self.look() is NotRun.YET:
            await self._write_down(self._record.forbid)
        found = self.look()
        if isinstance(found, Running | Over):
            return found.started
        return Refusal(Reason.LAUNCH_FAILED, f"the script was not started: {failure}")

    async def _write_down(self, claim: Callable[[], None]) -> None:
        """Claim `started`, unless that is there; a disk without room is waited out."""
        told = False
        while True:
            try:
                claim()
            except FileExistsError:
                return
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
                if not told:
                    text = "cannot write down in '%s' that the script will not run: %s; it is tried again"
                    log.error(text, self.folder, cause_of(error), extra=self._fields(Event.STORAGE))  # noqa: TRY400 - the disk's, no bug
                told = True
                await asyncio.sleep(_ROOM_S)
            else:
                return

    def _fields(self, event: Event) -> dict[str, Any]:
        return fields(event, deployment_id=self._id)


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal, "" for anything else. Raises OSError."""
    if not path.is_file():
        path.stat()
        return ""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
