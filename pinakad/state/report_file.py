"""How is a report kept on the disk, so that a power cut leaves the last durable one?

report.json is what everybody reads; report.durable.json has the last one that was synced, which is read where
report.json was cut while it was written without waiting for the disk.
"""

import os
from pathlib import Path

from pydantic import ValidationError

from pinakad.linux.files import (
    NotRegularError,
    SlowDraft,
    link_new,
    read_regular,
    replace,
    sync_folder,
    write_new,
    write_whole,
)
from pinakad.printable import cause_of, printable
from pinakad.report.document import Report, digest_of, is_digest
from pinakad.report.pieces import report_pieces
from pinakad.state.crash_points import CrashPoint, crash_point

REPORT, DURABLE_REPORT = "report.json", "report.durable.json"
_READY_COMMAND = "ready_command"
_MAX_REPORT_BYTES = 1 << 30
_MAX_RECORD_BYTES = 1 << 16  # of the small files beside a report


class StateUnreadableError(Exception):
    """A report is there and cannot be read, or is of a schema that is not ours."""


def write_report(folder: Path, report: Report) -> None:
    """Write the report durably into its deployment's folder. Raises OSError."""
    with crash_point(CrashPoint(f"saved {report.phase}")):
        _write_durably(folder, report)


def progress_draft(folder: Path) -> SlowDraft:
    """Return a draft of the report, to be written piece by piece. Raises OSError."""
    return SlowDraft(folder / REPORT)


def _write_durably(folder: Path, report: Report) -> None:
    aside, twin = folder / f".{REPORT}.new", folder / f".{DURABLE_REPORT}.new"
    write_new(aside, report_pieces(report), 0o644, durable=True)
    link_new(aside, twin)
    replace(twin, folder / DURABLE_REPORT)  # both names exist at all times
    replace(aside, folder / REPORT)
    sync_folder(folder)
    if report.phase == "validating":  # the first report: the folder's own name is not durable before
        sync_folder(folder.parent)


def read_report(folder: Path) -> Report:
    """Read the report of a deployment's folder. Raises StateUnreadableError, also for a schema that is not ours."""
    cause = ""
    for name in (REPORT, DURABLE_REPORT):
        try:
            return Report.model_validate_json(read_regular(folder / name, _MAX_REPORT_BYTES))
        except (OSError, ValueError, NotRegularError) as error:  # pydantic's errors are ValueErrors
            cause = cause or _cause(error)
    raise StateUnreadableError(f"cannot read '{folder / REPORT}': {cause}")


def is_begun(folder: Path) -> bool:
    """Return whether a deployment's folder has a report or a started script: else the deployment never began.

    Raises OSError: a folder that cannot be listed may well have begun.
    """
    with os.scandir(folder) as entries:
        return any(entry.name in (REPORT, DURABLE_REPORT, "started") for entry in entries)


def keep_ready_command(folder: Path, command: str) -> None:
    """Keep the command that a run executes on its nodes, readable for the daemon's user alone. Raises OSError.

    The command is durable before a report names its digest.
    """
    write_whole(folder / _READY_COMMAND, command.encode(), 0o600, durable=True)


def ready_command(folder: Path, named: str) -> str | None:
    """Return the command that a run executes on its nodes, "" for none; None where it cannot be read any more.

    `named` is what the report's policy says: "" or a digest, in the report of an early version the command itself.
    """
    if not is_digest(named):
        return named
    try:
        raw = read_regular(folder / _READY_COMMAND, _MAX_RECORD_BYTES)
    except (OSError, NotRegularError):
        return None
    command = raw.decode("utf-8", "replace")
    return command if digest_of(command) == named else None


def _cause(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        return printable(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}")
    if isinstance(error, OSError):
        return cause_of(error)
    return printable(str(error))
