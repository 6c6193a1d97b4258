"""Is there a marker that nobody serves, or anything that is in the way of an answer?"""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.cli.checks.immovable import immovable
from pinakad.client.pending import is_served
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.markers.folder import Markers
from pinakad.markers.hints import hints
from pinakad.markers.names import AWAY, CANCEL, COMPLETED, FAILED, REQUEST
from pinakad.markers.request import Identity
from pinakad.printable import cause_of
from pinakad.problems import Code
from pinakad.state.store import Store

_TAKEN_AFTER_S = 10.0
_MAX_ANSWER_BYTES = 1 << 30


def markers(context: CheckContext) -> Iterator[Finding]:
    """Does a marker lie around that nobody serves?"""
    folder, running = context.settings.markers_dir, context.view.running
    try:
        names = {entry.name for entry in os.scandir(folder)}
        nearly = hints(folder)
    except OSError as error:
        yield warning(f"cannot look at '{folder}': {cause_of(error)}", "see the folders above")
        return
    for hint in nearly:
        place = quote(str(hint.path))
        remedy = (
            f"if it is meant: mv {place} {quote(str(hint.right))}" if not hint.path.is_dir() else f"see ls -l {place}"
        )
        yield warning(hint.text, f"{remedy}; else remove it")
    yield from immovable(folder, names, context.account)
    if REQUEST in names:
        yield from _request(context, folder / REQUEST)
    yield from _in_the_way(context, folder, names)
    if CANCEL in names and (not running or context.running is None):
        text = f"'{CANCEL}' lies around: it is removed when the next request is taken, and cancels nothing"
        yield warning(text, f"rm {quote(str(folder / CANCEL))}")
    if {COMPLETED, FAILED} <= names:
        text = f"both '{COMPLETED}' and '{FAILED}' are there: not by pinakad, and no reader knows which one counts"
        yield warning(text, f"rm the older of both in {quote(str(folder))}")


def _in_the_way(context: CheckContext, folder: Path, names: set[str]) -> Iterator[Finding]:
    """What the daemon could not remove, it has moved away, or its report says that the answer found no place."""
    for name in sorted(names):
        if name.startswith(AWAY):
            text = f"'{name}' was in the way in '{folder}', could not be removed and was moved away"
            yield warning(text, f"see what it is, then rm -r {quote(str(folder / name))}")
    report = None
    with suppress(OSError):
        report = Store(context.state_dir).latest()  # the report was complete before its answer was to be put out
    for problem in report.problems if report is not None else []:
        if report is not None and problem.code is Code.ANSWER_BLOCKED and not _has_answer(folder, report.id):
            yield fails(f"deployment {report.id}: {problem.message}", "remove it as the message says")


def _has_answer(folder: Path, identifier: str) -> bool:
    for name in (COMPLETED, FAILED):
        with suppress(OSError, NotRegularError):
            if identifier.encode() in read_regular(folder / name, _MAX_ANSWER_BYTES):
                return True
    return False


def _request(context: CheckContext, path: Path) -> Iterator[Finding]:
    if not context.view.running:
        yield fails(
            f"'{REQUEST}' is there, and no daemon takes it", f"{context.start_command}, or rm {quote(str(path))}"
        )
        return
    report, request = context.view.report, Markers(path.parent).read()
    if request is None or context.running is not None:
        return
    age_s = time.time() - path.lstat().st_mtime
    if is_served(Store(context.state_dir), request):
        if age_s > _TAKEN_AFTER_S:
            by = f" by {report.id}" if report is not None and Identity.of(report.request) == request.identity else ""
            text = f"'{REQUEST}' was served{by} and cannot be removed by the daemon"
            yield warning(text, f"rm {quote(str(path))}, and see who else owns {quote(str(path.parent))}")
    elif age_s > _TAKEN_AFTER_S:
        text = f"'{REQUEST}' is there for {age_s:.0f} s, and the daemon does not take it"
        yield fails(text, "systemctl status pinakad tells what it waits for")
