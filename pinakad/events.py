"""Which kinds of events are there? Each has a fixed MESSAGE_ID, by which the journal catalog explains it."""

from enum import Enum
from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of event: its MESSAGE_ID in the journal, and its subject and explanation in the catalog."""

    message_id: str
    subject: str
    explanation: str


class Event(Enum):
    """Every kind of event. The ids never change: filters and alarms match on them."""

    STARTED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a01",
        "pinakad is ready",
        "The daemon watches its folders and has picked up what was unfinished.",
    )
    STOPPING = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a02",
        "pinakad stops",
        "A running deployment is left as it is; the next start goes on with it. The script is not touched.",
    )
    RELOADED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a03",
        "The configuration was read again",
        "It counts from the next deployment on; one that runs keeps the settings that it started with.",
    )
    RELOAD_REFUSED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a04",
        "The new configuration was refused",
        "The old one stays in force. The message names the file, the key, the value and what is allowed. "
        "Mend the file, then: systemctl reload pinakad",
    )
    REQUEST_TAKEN = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a05",
        "A request was taken",
        "The marker deployment_in_progress was found and a deployment begins.",
    )
    REQUEST_PROBLEM = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a06",
        "A request cannot be handled as usual",
        "The message names what stands in the way. Nothing is lost: it is looked at again with every rescan.",
    )
    PHASE = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a07",
        "A deployment goes on to its next phase",
        "The phases are validating, launching, waiting, polling, finishing and finished.",
    )
    PROBLEM = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a08",
        "An input has a problem",
        "The message names the file, the field, the value and what would be right. Errors fail a deployment before "
        "anything is launched, warnings hold nobody up. To check files by hand: pinakactl validate FILE",
    )
    SCRIPT_STARTED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a09",
        "The deployment script runs",
        "It runs independently of the daemon: a restart of pinakad does not touch it.",
    )
    SCRIPT_ENDED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0a",
        "The deployment script has ended",
        "Its output is in script.log of the deployment's folder, or in the journal.",
    )
    NODE_UP = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0b",
        "A node is up",
        "A login over SSH succeeded and everything that was required held.",
    )
    NODE_WAITING = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0c",
        "A node is waited for, for a new reason",
        "Every attempt is repeated until the end of polling; only a change of the reason is logged. The rung tells how "
        "far the attempt came: connect, banner, host_key, login, command, identity, reboot, ready, stable.",
    )
    NODE_FAILED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0d",
        "A node did not come up",
        "Polling is spent. REASON tells why the last attempt failed.",
    )
    HOST_KEY = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0e",
        "A node has another host key",
        "A reinstalled machine has a new key. If this one was not reinstalled, find out who answers at its address.",
    )
    COMPLETED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a0f",
        "A deployment completed",
        "The script exited 0 and every node came up after that.",
    )
    FAILED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a10",
        "A deployment failed",
        "REASON has the code. The whole report is in deployment_failed and in report.json of the deployment's folder.",
    )
    CANCELLED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a11",
        "A deployment was cancelled",
        "deployment_cancel was found; the script was ended with everything that it had started.",
    )
    RESUMED = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a12",
        "An unfinished deployment goes on",
        "The daemon was away. The script was not started again, and the deadlines stand.",
    )
    WATCH = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a13",
        "The watching of a folder changed",
        "Where events cannot be had, rescans (every 5 seconds for the markers) have taken over; nothing is lost.",
    )
    STORAGE = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a14",
        "Something cannot be written",
        "It is tried again until there is room; the request stays until its answer is written.",
    )
    INTERNAL_ERROR = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a15",
        "A bug in pinakad",
        "The deployment was answered with internal_error and the daemon lives on. Please report the traceback.",
    )
    FEW_DESCRIPTORS = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a16",
        "Nodes are asked less often than configured",
        "Each attempt needs an open file, and fewer are allowed than there are nodes. They take turns, and those that "
        "answer come first. To ask all of them at the same time raise LimitNOFILE of pinakad.service.",
    )
    LOGIN_PROCESS = Kind(
        "5a1c0b1fd2f94ffb8f4c2c7d1b0f7a17",
        "A login process has ended",
        "The logins to nodes are made in processes of their own. One of them has ended before its work was done: it "
        "crashed, was killed (also for lack of memory), or did not end a login within its limits. Another one takes "
        "its place, and no node is judged by it.",
    )


def fields(event: Event, **values: Any) -> dict[str, Any]:
    """Return the `extra` of a log call: the kind of event and journal fields such as NODE; None is left out."""
    shown = {key.upper(): str(value) for key, value in values.items() if value is not None}
    return {"event": event, "journal_fields": shown}
