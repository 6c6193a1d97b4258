"""Logs to the journal with fields, or to stderr in plain lines.

The journal's native protocol: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ (a datagram of KEY=value lines).
"""

import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, TextIO

from pinakad.printable import printable

if TYPE_CHECKING:
    from pinakad.events import Event

SOCKET = "/run/systemd/journal/socket"
SEND_TIMEOUT_US = 200_000
STUCK_S = 10.0
"""After a send to a full queue has failed (SEND_TIMEOUT_US), no send waits for this long."""
MAX_MESSAGE = 48 * 1024
"""The most bytes of a text in one datagram; a longer text, such as a traceback, is cut in its middle."""

# syslog(3). CRITICAL is not emergency, which journald would shout to every terminal.
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournalHandler(logging.Handler):
    """Sends records to journald; records that it does not take go to stderr."""

    def __init__(self, path: str = SOCKET) -> None:
        super().__init__()
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, SEND_TIMEOUT_US))
        self._stuck_until_s = 0.0
        self._fallback = StderrHandler()

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; while journald restarts or is busy, the record goes to stderr. Nothing is raised."""
        flags = socket.MSG_DONTWAIT if time.monotonic() < self._stuck_until_s else 0
        try:
            self._socket.sendto(datagram(record, self.format(record)), flags, self._path)
        except BlockingIOError:  # its queue is full: the main loop must not wait for each record
            self._stuck_until_s = time.monotonic() + STUCK_S
            self._fallback.handle(record)
        except OSError:
            self._fallback.handle(record)
        except Exception:  # noqa: BLE001 - a log call with wrong arguments; the handlers of the library do the same
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


class StderrHandler(logging.StreamHandler[TextIO]):
    """Writes plain lines to stderr, with priority prefixes (sd-daemon(3)) unless stderr is a terminal."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._prefixes = not sys.stderr.isatty()

    def format(self, record: logging.LogRecord) -> str:
        """Return the lines of a record, each with its priority and without control characters."""
        level = _PRIORITIES.get(record.levelno, 6)
        prefix = f"<{level}>" if self._prefixes else f"{record.levelname.lower():8}"
        lines = super().format(record).splitlines() or [""]
        return "\n".join(prefix + printable(line, MAX_MESSAGE) for line in lines)


def set_up(level: str, environ: Mapping[str, str] = os.environ) -> None:
    """Send the log of this process to the journal if stderr is connected to it (systemd.exec(5)), else to stderr."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.addHandler(JournalHandler() if _stderr_is_the_journal(environ) else StderrHandler())
    root.setLevel(level.upper())
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)  # up to 21 lines a failed attempt
    logging.getLogger("watchdog").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)


def datagram(record: logging.LogRecord, text: str) -> bytes:
    """Return a record, with its formatted `text`, in the journal's native protocol."""
    event: Event | None = getattr(record, "event", None)
    values = {
        "MESSAGE": "\n".join(printable(line, MAX_MESSAGE) for line in _cut(text).splitlines()),
        "PRIORITY": str(_PRIORITIES.get(record.levelno, 6)),
        "SYSLOG_IDENTIFIER": "pinakad",
        "CODE_FILE": record.pathname,
        "CODE_LINE": str(record.lineno),
        "CODE_FUNC": record.funcName or "",
        **({"MESSAGE_ID": event.value.message_id} if event else {}),
        **getattr(record, "journal_fields", {}),
    }
    return b"".join(_field(key, value) for key, value in values.items())


def _field(key: str, value: str) -> bytes:
    raw = value.encode("utf-8", "backslashreplace")
    if b"\n" not in raw:
        return key.encode() + b"=" + raw + b"\n"
    return key.encode() + b"\n" + struct.pack("<Q", len(raw)) + raw + b"\n"


def _cut(text: str) -> str:
    half = MAX_MESSAGE // 2
    return text if len(text) <= MAX_MESSAGE else f"{text[:half]}\n[...]\n{text[-half:]}"


def _stderr_is_the_journal(environ: Mapping[str, str]) -> bool:
    """Return whether stderr is the stream whose device and inode are in $JOURNAL_STREAM (systemd.exec(5))."""
    try:
        device, inode = environ.get("JOURNAL_STREAM", "").split(":")
        status = os.fstat(2)
        return (status.st_dev, status.st_ino) == (int(device), int(inode))
    except (ValueError, OSError):
        return False
