"""`started`, `adopted` and `exit` in the deployment's folder: what is in them, and how they come there.

Each is whole and durable, or not there. The supervisor, the daemon (a foreign run, a tombstone) and root's unit compete
for `started` by `claim`: it is made visible by link(2), so that one of them succeeds.
A part of the supervisor's program (bundle.py): the standard library only, and little of it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from pinakad.script.running_scripts import start_ticks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STARTED = "started"
ADOPTED = "adopted"
EXIT = "exit"
CHECKSUM = "script.sha256"
TOMBSTONE = '{"schema": 1, "tombstone": true}'  # in place of `started`: it never will be
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_TRIES = 300  # one a second


def claim(folder: str, record: str) -> int:
    """Make `started` visible: whole, durable, and only once. `record`: JSON. Return the locked descriptor.

    Raises FileExistsError where another was first, OSError where it cannot be written.
    """
    draft = f"{folder}/.started.{os.getpid()}.{time.monotonic_ns()}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.fchmod(descriptor, 0o644)  # not before: a process that can open the file could lock it first
        _write(descriptor, (record + "\n").encode())
        os.fsync(descriptor)
        os.link(draft, f"{folder}/{STARTED}")
        _sync(folder)
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        os.unlink(draft)
    return descriptor


def leave(folder: str, name: str, record: str, wait: Callable[[float], None]) -> None:
    """Write `exit` or `adopted`: whole, durable, in place of what was there. `wait`: lets so many seconds pass.

    A full disk is waited out, because nobody else knows what the record says; any other obstacle for some minutes.
    """
    draft, tries, missing = f"{folder}/.{name}.new", _TRIES, 10
    while tries > 0:
        try:
            descriptor = create(draft, 0o644)
            try:
                _write(descriptor, (record + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _rename(draft, f"{folder}/{name}")
            _sync(folder)
        except FileNotFoundError:
            if missing == 0:
                return  # the folder is gone, and with it every reader
            missing -= 1
            wait(0.3)  # a daemon that lives makes it again
        except OSError as error:
            tries -= error.errno not in _NO_ROOM
            wait(1.0)
        else:
            return


def started_record(identifier: str, pid: int, boot_id: str) -> str:
    """Return what `started` says: this process is the supervisor of the script that process `pid` is about to be."""
    return _as_json(
        {
            "schema": 1,
            "id": identifier,
            "supervisor_pid": os.getpid(),
            "supervisor_start_ticks": start_ticks(os.getpid()),
            "script_pid": pid,
            "script_start_ticks": start_ticks(pid),
            **_this_moment(boot_id),
        }
    )


def adopted_record(identifier: str, pid: int, ticks: int, boot_id: str) -> str:
    """Return what `started` says of a foreign run: a script without a supervisor, begun `ticks` after the boot."""
    now = _this_moment(boot_id)
    boot_s = ticks / os.sysconf("SC_CLK_TCK")  # proc(5): of the boot clock
    return _as_json(
        {
            "schema": 1,
            "id": identifier,
            "adopted": 1,
            "supervisor_pid": 0,
            "script_pid": pid,
            "script_start_ticks": ticks,
            "boot_id": now["boot_id"],
            "boot_s": boot_s,
            "wall_s": now["wall_s"] - max(0.0, now["boot_s"] - boot_s),
        }
    )


def adopted_exit_record(boot_id: str) -> str:
    """Return what `exit` says of such a script: when its end was seen, and no more."""
    return _as_json({"schema": 1, "exit_code": None, "signal": None, **_this_moment(boot_id), "dropped_bytes": 0})


def exit_record(status: int, written: int, dropped: int, cause: str, boot_id: str) -> str:
    """Return what `exit` says: the wait status, the bytes of output that were kept and that were dropped.

    `cause`: why the script was not run at all, "" where it was.
    """
    code = os.waitstatus_to_exitcode(status)
    return _as_json(
        {
            "schema": 1,
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            **_this_moment(boot_id),
            "log_bytes": written,
            "dropped_bytes": dropped,
            **({"not_run": cause} if cause else {}),
        }
    )


def _this_moment(boot_id: str) -> dict[str, Any]:
    return {"boot_id": boot_id, "boot_s": time.clock_gettime(time.CLOCK_BOOTTIME), "wall_s": time.time()}


def _as_json(record: dict[str, Any]) -> str:
    """Return JSON. What we record are numbers, None and ids, which need no escape: letters, digits, `.` and `-`."""
    return "{" + ", ".join(f'"{name}": {_shown(value)}' for name, value in record.items()) + "}"


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return "null" if value is None else str(value)


def create(path: str, mode: int) -> int:
    """Make a file that nobody else has open, in place of what was there, which is never followed nor written.

    Raises OSError.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        _put_aside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    os.fchmod(descriptor, mode)  # whatever the umask says
    return descriptor


def _rename(source: str, target: str) -> None:
    """Rename a file, whatever is at `target`."""
    try:
        os.rename(source, target)
    except IsADirectoryError:
        _put_aside(target)
        os.rename(source, target)


def _put_aside(path: str) -> None:
    """Give another name to a folder that is where a file of ours belongs: it may hold anything."""
    os.rename(path, f"{path}.{time.monotonic_ns()}")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
