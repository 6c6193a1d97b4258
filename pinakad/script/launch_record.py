"""What is recorded of a launch? `started`, `adopted`, `exit` and the tombstone, as the daemon reads and claims them.

What was read once stays true: a script can remove or replace these files, and is followed by its process then.
"""

import json
import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pinakad.events import Event, fields
from pinakad.linux.clock import boot_id, here
from pinakad.linux.files import NotRegularError, read_regular, write_new, write_whole
from pinakad.linux.locks import is_locked
from pinakad.report.vocabulary import ScriptState
from pinakad.script import records
from pinakad.script.outcome import Ended, NotRun, Over, Running, ScriptStatus, Started
from pinakad.script.processes import is_alive, state_of
from pinakad.script.running_scripts import start_ticks, words_of_process
from pinakad.times import Moment

log = logging.getLogger(__name__)

_MAX_BYTES = 1 << 16
_MAX_PID = (1 << 31) - 1  # pid_t
_MAX_COUNT = (1 << 63) - 1
_MAX_S = 253_402_300_799.0  # the last second that datetime knows
_NOBODY_KNOWS = {"supervisor_pid": 0, "script_pid": 0, "script_start_ticks": None}
Record = dict[str, Any]


class LaunchRecord:
    """The files of one deployment's launch. `seen`: what is known of it from before a restart of the daemon."""

    def __init__(self, folder: Path, identifier: str, seen: Started | None = None) -> None:
        self.seen = seen
        self._folder = folder
        self._id = identifier
        self._is_gone = False  # what was seen is not there any more

    def started(self) -> Started | str | None:
        """Return what is known of the start: a str is the cause on a tombstone, None means that nothing is known."""
        found = self._read_started()
        if self.seen is None:
            self.seen = found if isinstance(found, Started) else None
            return found
        if isinstance(found, Started) and _is_same(found, self.seen):
            return found
        if isinstance(found, Started) and found.adopted and not self._runs_itself(self.seen):
            self.seen = found  # its supervisor saw somebody else's run after it had made `started` visible
            return found
        if not self._is_gone:
            self._is_gone = True
            text = "'%s' was removed or replaced; the script is followed by its process"
            log.warning(text, self._folder / records.STARTED, extra=fields(Event.STORAGE, deployment_id=self._id))
        return self.seen

    def ended(self, started: Started) -> Ended | None:
        """Return how the script ended by `exit`, None where that is missing or unusable."""
        with suppress(OSError, NotRegularError, ValueError, TypeError, KeyError):
            record = _read(self._folder / records.EXIT)
            return Ended(
                ScriptState.EXITED,
                _count_or_none(record["exit_code"]),
                _count_or_none(record["signal"]),
                _moment(record),
                _count(record["dropped_bytes"]),
                adopted=started.adopted,
                not_run=str(record.get("not_run", "")),
            )
        return None

    def status(self) -> ScriptStatus:
        """Return how the script is, by the files.

        `exit` decides; without it, whether a process lives that may leave one.
        """
        started = self.started()
        if started is None:
            return NotRun.YET
        if isinstance(started, str):
            return NotRun.EVER
        ended = self.ended(started)
        if ended is None and self.is_followed(started):
            return Running(started)
        ended = ended or self.ended(started)  # it may have come before the supervisor went
        if ended is not None:
            return Over(started, ended)
        if started.at.boot_id != boot_id():
            return Over(started, Ended(ScriptState.INTERRUPTED))
        return Over(started, Ended(ScriptState.EXITED, adopted=True) if started.adopted else Ended(ScriptState.LOST))

    def is_followed(self, started: Started) -> bool:
        """Tell whether a process lives that shows the end: the supervisor, or an adopted script itself."""
        if started.at.boot_id != boot_id():
            return False
        if started.adopted:
            return is_alive(started.script_pid, started.script_start_ticks)
        if not _exists(started.supervisor_pid, started.supervisor_start_ticks):
            return False
        if self._is_gone:
            return state_of(started.supervisor_pid) not in "ZX"
        return is_locked(self._folder / records.STARTED)

    def is_undecided(self, started: Started) -> bool:
        """Tell whether the supervisor may still leave that it has adopted somebody else's run, instead of its own."""
        if started.adopted or not self.is_followed(started):
            return False
        if not is_alive(started.script_pid, started.script_start_ticks):
            return True  # it was called off, or has ended already
        words = words_of_process(started.script_pid)  # those of the supervisor until it becomes the script
        return bool(words) and words == words_of_process(started.supervisor_pid)

    def adopt(self, pid: int, ticks: int) -> None:
        """Record that somebody else runs the script, so that none is launched.

        Raises FileExistsError where another was first, OSError where it cannot be written.
        """
        os.close(records.claim(str(self._folder), records.adopted_record(self._id, pid, ticks, boot_id())))

    def leave_end_of_adopted(self) -> None:
        """Record that an adopted script was seen to have ended now. Raises OSError."""
        write_whole(self._folder / records.EXIT, records.adopted_exit_record(boot_id()).encode() + b"\n", durable=True)

    def require(self, sha256: str) -> None:
        """Record the checksum that the script must have, or it is not run. Raises OSError."""
        write_new(self._folder / records.CHECKSUM, sha256.encode(), 0o644, durable=False)

    def _runs_itself(self, started: Started) -> bool:
        return started.adopted or is_alive(started.script_pid, started.script_start_ticks)

    def _read_started(self) -> Started | str | None:
        try:
            record = _read(self._folder / records.STARTED)
            if "tombstone" in record:
                return str(record.get("cause", "the run was given up before"))
            with suppress(FileNotFoundError):
                record = _read(self._folder / records.ADOPTED)
            return started_of(record)
        except (FileNotFoundError, NotADirectoryError, NotRegularError):  # what is no file, no supervisor has left
            return self._read_exit_alone()
        except (OSError, ValueError, TypeError, KeyError):
            return Started(0, 0, None, here())  # it was started, and that is all that can be said

    def _read_exit_alone(self) -> Started | None:
        """Return the start of a script that removed `started` before we read it, and has ended."""
        with suppress(OSError, NotRegularError, ValueError, TypeError, KeyError):
            return started_of(_read(self._folder / records.EXIT) | _NOBODY_KNOWS)
        return None


def started_of(record: Record) -> Started:
    """Return what a record of `started` or `adopted` says. Raises ValueError, TypeError, KeyError."""
    return Started(
        _count(record["supervisor_pid"], _MAX_PID),
        _count(record["script_pid"], _MAX_PID),
        _count_or_none(record["script_start_ticks"]),
        _moment(record),
        _count_or_none(record.get("supervisor_start_ticks")),
        "adopted" in record,
    )


def _read(path: Path) -> Record:
    """Read a record, which its user may have made anything of.

    Raises OSError, NotRegularError, ValueError, TypeError.
    """
    try:
        record = json.loads(read_regular(path, _MAX_BYTES))
    except RecursionError:
        raise ValueError(f"cannot use '{path}': its JSON is too deep") from None
    if not isinstance(record, dict):
        raise TypeError(f"cannot use '{path}': not what a supervisor writes")
    return record


def _moment(record: Record) -> Moment:
    boot_s, wall_s = record["boot_s"], record["wall_s"]
    for value in (boot_s, wall_s):
        if type(value) not in (int, float) or not 0 <= value <= _MAX_S:  # NaN is not, either
            raise ValueError(f"{value!r:.40} is no moment")
    return Moment(str(record["boot_id"]), float(boot_s), float(wall_s))


def _count(value: Any, most: int = _MAX_COUNT) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is no number of anything")
    return value


def _count_or_none(value: Any) -> int | None:
    return None if value is None else _count(value)


def _is_same(one: Started, other: Started) -> bool:
    """Of what an earlier version has seen, the start ticks are not known."""
    same_begin = None in (one.script_start_ticks, other.script_start_ticks) or (
        one.script_start_ticks == other.script_start_ticks
    )
    return one.script_pid == other.script_pid and same_begin


def _exists(pid: int, ticks: int | None) -> bool:
    """Tell whether there is such a process; one that /proc hides from us may be it."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return start_ticks(pid) in (ticks, None) or ticks is None


def was_started(folder: Path) -> bool:
    """Tell whether the script of the deployment in `folder` was ever started. Raises OSError."""
    try:
        started = read_regular(folder / records.STARTED, _MAX_BYTES)
    except (FileNotFoundError, NotRegularError):  # what is no file, no supervisor has left
        return False
    return b'"tombstone"' not in started


def forbid_start(folder: Path) -> None:
    """Put a tombstone where `started` would be, unless that is there: a late supervisor gives up.

    Raises OSError where it cannot be written.
    """
    with suppress(FileExistsError):
        os.close(records.claim(str(folder), records.TOMBSTONE))
