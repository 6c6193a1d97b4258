"""Which steps lie between "request seen" and "request removed"?

Each step that leaves something behind has its name here and is logged, at debug level, right before and right after.
The tests crash the daemon at each of these records, and hold the promise against this list: a crash between any two
steps loses nothing and does nothing twice.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

log = logging.getLogger(__name__)


class CrashPoint(StrEnum):
    """The steps, in the order of a run that goes well (the points of an end by force come before the verdict)."""

    CANCEL_CLEARED = "cancel cleared"
    FOLDER_MADE = "folder made"
    SAVED_VALIDATING = "saved validating"
    REQUEST_REMEMBERED = "request remembered"
    ANSWERS_CLEARED = "answers cleared"
    SNAPSHOT_TAKEN = "snapshot taken"
    SAVED_LAUNCHING = "saved launching"
    SUPERVISOR_STARTED = "supervisor started"
    SAVED_WAITING = "saved waiting"
    SAVED_POLLING = "saved polling"
    SAVED_FINISHING = "saved finishing"
    SCRIPT_ENDED = "script ended"
    SAVED_FINISHED = "saved finished"
    ANSWER_WRITTEN = "answer written"
    CANCEL_REMOVED = "cancel removed"
    REQUEST_SET_ASIDE = "request set aside"
    MARKED_ANSWERED = "marked answered"
    REQUEST_FORGOTTEN = "request forgotten"
    REQUEST_PUT_BACK = "request put back"
    REQUEST_REMOVED = "request removed"


@contextmanager
def crash_point(name: CrashPoint) -> Iterator[None]:
    """Log "begins: <name>" before the block and "done: <name>" after it; a block that raises is not done."""
    log.debug("begins: %s", name)
    yield
    log.debug("done: %s", name)
