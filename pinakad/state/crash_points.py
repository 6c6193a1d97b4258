"""Which steps lie between "request seen" and "request removed"?

Each step that leaves something behind has its name here and is told, at debug level, right before and right after: the
promise that a crash between any two of them loses nothing and does nothing twice is held against this list.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

log = logging.getLogger(__name__)


class CrashPoint(StrEnum):
    """The steps, in the order of a run that goes well (those of an end by force stand before the verdict)."""

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
    """Tell that a step begins, and that it is done; one that fails is not done."""
    log.debug("begins: %s", name)
    yield
    log.debug("done: %s", name)
