"""The deployment script: launched exactly once, found again after any restart, waited for, ended.

What is so is told by the files that its supervisor leaves (`started`, its lock, `exit`); the law is in `look`.
"""

import asyncio
import errno
import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any

from pinakad import limits, supervisor
from pinakad.config import ScriptSettings
from pinakad.events import Event, fields
from pinakad.files import NotRegularError, read_regular, sync_folder
from pinakad.locks import is_locked
from pinakad.outside import Ended, Moment, Started
from pinakad.permissions import refusal
from pinakad.problems import Code, Problem, Spot, cause_of
from pinakad.processes import is_alive, running_script
from pinakad.report import Reason, ScriptPart, ScriptState
from pinakad.runners import Runner, runner_for
from pinakad.script_file import environment, make_executable, unreadable
from pinakad.steps import Step, step
from pinakad.waiting import happens

log = logging.getLogger(__name__)

START_LIMIT_S = 30.0
_LOOK_S = 0.02
_RECHECK_S = 1.0
_AFTER_END_S = 5.0
_ROOM_S = 1.0
_MAX_RECORD_BYTES = 1 << 16
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
    """The script of one deployment, whose folder has the supervisor's files; `runner`: by default, as it is set."""

    def __init__(
        self,
        folder: Path,
        identifier: str,
        path: Path,
        work_dir: Path,
        settings: ScriptSettings,
        runner: Runner | None = None,
    ) -> None:
        self.folder = folder
        self._id = identifier
        self._nodes_dir = str(folder / "nodes")
        self._path = path
        self._work_dir = work_dir
        self._settings = settings
        self._runner = runner or runner_for(settings, identifier)

    def stand_by(self) -> None:
        """Get ready for a launch that may never come."""
        self._runner.stand_by(self._spec())

    def stand_down(self) -> None:
        """No launch will come any more."""
        self._runner.stand_down()

    def problem(self) -> tuple[Reason, str] | None:
        """Return why it cannot be launched, None where it can."""
        try:
            cause = unreadable(self._path) or (None if self._runner.makes_executable else refusal(self._path))
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            reason = Reason.SCRIPT_NOT_FOUND if missing else Reason.SCRIPT_NOT_RUNNABLE
            return reason, f"cannot run '{self._path}': {cause_of(error)}"
        if cause:
            return Reason.SCRIPT_NOT_RUNNABLE, f"cannot run '{self._path}': {cause}"
        other = running_script(self._path, self._nodes_dir)
        if other is not None:
            text = f"'{self._path}' is already run by process {other}, which pinakad did not start"
            return Reason.SCRIPT_ALREADY_RUNNING, text
        return None

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        """Set the executable bit where it is missing; return the report's entry, and a warning where that failed."""
        settings = self._settings
        part = ScriptPart(
            path=str(self._path),
            sha256=sha256(self._path.read_bytes()).hexdigest(),
            runner=settings.runner,
            log=str(self.folder / supervisor.LOG) if settings.output == "file" else None,
        )
        failure = None if self._runner.makes_executable else make_executable(self._path)
        if failure is None:
            return part, []
        text = f"cannot set the executable bit of '{self._path}': {failure}; it runs all the same"
        return part, [Spot(self._path.name).warning(Code.NOT_EXECUTABLE, text)]

    def look(self) -> Look:
        """Tell from the files how it stands. `exit` decides; without it, the lock tells whether one may still come."""
        record = _read_record(self.folder / supervisor.STARTED)
        if record is None:
            return NotRun.YET
        if "tombstone" in record:
            return NotRun.EVER
        started = _started(record)
        ended = _read_record(self.folder / supervisor.EXIT)
        if ended is None and is_locked(self.folder / supervisor.STARTED) and _may_live(record):
            return Running(started)
        ended = ended or _read_record(self.folder / supervisor.EXIT)  # it may have come before the lock went
        if ended is not None:
            return Over(started, _ended(ended))
        rebooted = started.at.boot_id != supervisor.boot_id()
        return Over(started, Ended(ScriptState.INTERRUPTED if rebooted else ScriptState.LOST))

    async def launch(self) -> Started | str:
        """Start it unless it was started before; return what `started` says, or why there is none.

        `started` is durable at the return: its supervisor makes it visible first, and a report that is written on it
        must not outlive it.
        """
        if self.look() is NotRun.YET:
            with step(Step.SUPERVISOR_STARTED):
                failure = await self._runner.start(self._spec())
            if failure is not None:
                return await self._given_up(failure)
        started = await self._shown()
        with suppress(OSError):  # a disk that fails now does not stop the run
            sync_folder(self.folder)
        return started

    async def _shown(self) -> Started | str:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + START_LIMIT_S
        while True:
            failure = await self._runner.failed()  # asked before we look: what it did before it ended, we then see
            found = self.look()
            if isinstance(found, Running | Over):
                return found.started
            if found is NotRun.EVER:
                return self._tombstone_cause()
            if failure is not None:
                return await self._given_up(failure)
            if loop.time() >= deadline_s:
                return await self._given_up(f"nothing showed that it runs within {START_LIMIT_S:.0f} s")
            await asyncio.sleep(_LOOK_S)

    async def ended(self) -> Ended:
        """Wait until it has ended, by whatever means."""
        while True:
            found = self.look()
            if isinstance(found, Over):
                return found.ended
            if not isinstance(found, Running):
                raise RuntimeError(f"cannot wait for the script in '{self.folder}': it was not started")  # noqa: TRY004
            await _process_ends(found.started)

    async def end(self) -> Ended | None:
        """End it with everything that it started; None where it never began, and now never will."""
        if self.look() is NotRun.YET:
            await self._forbid()
        found = self.look()
        if isinstance(found, NotRun):
            return None
        if isinstance(found, Over) and found.started.at.boot_id != supervisor.boot_id():
            return found.ended  # nothing outlived the boot, and the pids are somebody else's now
        with step(Step.SCRIPT_ENDED):
            await self._runner.stop(self._nodes_dir, found.started)
        deadline_s = asyncio.get_running_loop().time() + _AFTER_END_S
        # the event is a file of another process
        while isinstance(now := self.look(), Running) and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)
        return now.ended if isinstance(now, Over) else Ended(ScriptState.LOST)

    def _spec(self) -> dict[str, Any]:
        """Return what a supervisor needs to know. No input of a user is in it."""
        return {
            "id": self._id,
            "folder": str(self.folder),
            "script": str(self._path),
            "cwd": str(self._work_dir),
            "environment": environment(self._id, Path(self._nodes_dir), self._work_dir),
            "output": self._settings.output,
            "log_max_bytes": self._settings.log_max_bytes,
            "open_files": limits.inherited()[0],
        }

    async def _given_up(self, failure: str) -> Started | str:
        """A late supervisor must not start it after all; one that was faster than us counts."""
        await self._forbid()
        found = self.look()
        return found.started if isinstance(found, Running | Over) else failure

    def _tombstone_cause(self) -> str:
        record = _read_record(self.folder / supervisor.STARTED) or {}
        return str(record.get("cause", "the run was given up before"))

    async def _forbid(self) -> None:
        """Put a tombstone where `started` would be, unless that is there; a disk without room is waited out."""
        self._runner.stand_down()
        told = False
        while True:
            try:
                os.close(supervisor.claim(str(self.folder), supervisor.TOMBSTONE))
            except FileExistsError:
                return
            except OSError as error:
                if error.errno not in _PASSING:
                    raise
                if not told:
                    text = "cannot write down in '%s' that the script will not run: %s; it is tried again"
                    extra = fields(Event.STORAGE, deployment_id=self._id)
                    log.error(text, self.folder, cause_of(error), extra=extra)  # noqa: TRY400 - the disk's, no bug
                told = True
                await asyncio.sleep(_ROOM_S)
            else:
                return


def _read_record(path: Path) -> dict[str, Any] | None:
    """Read what a supervisor left; it is whole wherever it is there. What is no file, no supervisor has left."""
    try:
        record = json.loads(read_regular(path, _MAX_RECORD_BYTES))
    except (FileNotFoundError, NotRegularError):
        return None
    if not isinstance(record, dict):
        raise TypeError(f"cannot use '{path}': not what a supervisor writes")
    return record


def _may_live(record: dict[str, Any]) -> bool:
    """Tell whether the supervisor may live: who can read `started` can hold its lock, but cannot be that process.

    Another user's process may be hidden from us (hidepid=, proc(5)): then the lock has to do.
    """
    if record["boot_id"] != supervisor.boot_id():
        return False
    found = supervisor.start_ticks(record["supervisor_pid"])
    if found is not None:
        return bool(found == record.get("supervisor_start_ticks", found))
    try:
        os.kill(record["supervisor_pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return False  # it ended between the two


def _started(record: dict[str, Any]) -> Started:
    at = Moment(record["boot_id"], record["boot_s"], record["wall_s"])
    return Started(record["supervisor_pid"], record["script_pid"], record["script_start_ticks"], at)


def _ended(record: dict[str, Any]) -> Ended:
    at = Moment(record["boot_id"], record["boot_s"], record["wall_s"])
    return Ended(ScriptState.EXITED, record["exit_code"], record["signal"], at, record["dropped_bytes"])


async def _process_ends(started: Started) -> None:
    """Wait until the script's process is gone, or a second: whoever waits looks at the truth again anyway."""
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(started.script_pid)
    except OSError:
        await asyncio.sleep(_LOOK_S)  # it has ended, and `exit` follows
        return
    gone = asyncio.Event()
    loop.add_reader(descriptor, gone.set)
    try:
        if is_alive(started.script_pid, started.script_start_ticks):
            await happens(gone, _RECHECK_S)
        await asyncio.sleep(_LOOK_S)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
