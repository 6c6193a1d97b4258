import logging
import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinakad.events import Event, fields
from pinakad.linux.journal import MAX_MESSAGE, JournalHandler, StderrHandler, set_up


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "socket"))
        sock.settimeout(5)
        yield sock


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[JournalHandler]:
    handler = JournalHandler(str(tmp_path / "socket"))
    yield handler
    handler.close()


def record(text: str, level: int = logging.INFO, *args: object, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("pinakad.x", level, "/src/x.py", 7, text, args, None, "function")
    made.__dict__.update(extra)
    return made


def parsed(raw: bytes) -> dict[str, str]:
    """Read a datagram as journald does (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/)."""
    found = {}
    while raw:
        line, _, raw = raw.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", raw[:8])
            value, end, raw = raw[8 : 8 + length], raw[8 + length : 9 + length], raw[9 + length :]
            assert end == b"\n"
        found[key.decode()] = value.decode()
    return found


def sent(handler: JournalHandler, journald: socket.socket, made: logging.LogRecord) -> dict[str, str]:
    handler.handle(made)
    return parsed(journald.recv(1 << 20))


def test_a_record_has_its_fields(handler: JournalHandler, journald: socket.socket) -> None:
    extra = fields(Event.NODE_UP, node="sqdn-001", attempt=3, reason=None)
    assert sent(handler, journald, record("%s is up", logging.INFO, "sqdn-001", **extra)) == {
        "MESSAGE": "sqdn-001 is up",
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "pinakad",
        "CODE_FILE": "/src/x.py",
        "CODE_LINE": "7",
        "CODE_FUNC": "function",
        "MESSAGE_ID": Event.NODE_UP.value.message_id,
        "NODE": "sqdn-001",
        "ATTEMPT": "3",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, "7"), (logging.INFO, "6"), (logging.WARNING, "4"), (logging.ERROR, "3"), (logging.CRITICAL, "2")],
)
def test_levels_are_priorities_and_none_is_shouted_to_every_terminal(
    handler: JournalHandler, journald: socket.socket, level: int, priority: str
) -> None:
    assert sent(handler, journald, record("x", level))["PRIORITY"] == priority


@pytest.mark.parametrize("text", ["two\nlines", "PRIORITY=0\nMESSAGE=forged", "", "\n", "=", "\u2603"])
def test_no_text_can_forge_a_field(handler: JournalHandler, journald: socket.socket, text: str) -> None:
    found = sent(handler, journald, record("%s", logging.INFO, text, journal_fields={"NODE": text}))
    assert found["PRIORITY"] == "6"
    assert found["NODE"] == text
    assert found["MESSAGE"].split("\n") == text.splitlines() or not text.strip()


def test_control_characters_and_lone_surrogates_are_escaped(handler: JournalHandler, journald: socket.socket) -> None:
    found = sent(handler, journald, record("\x1b[2Ja\tb\udc80", journal_fields={"NODE": "\udc80"}))
    assert found["MESSAGE"] == "\\x1b[2Ja\\tb\\udc80"
    assert found["NODE"] == "\\udc80"


def test_a_long_text_is_cut_in_its_middle(handler: JournalHandler, journald: socket.socket) -> None:
    message = sent(handler, journald, record("begin" + "x" * 10 * MAX_MESSAGE + "end"))["MESSAGE"]
    assert message.startswith("begin")
    assert message.endswith("end")
    assert len(message) < MAX_MESSAGE + 20


def test_a_traceback_is_in_the_message(handler: JournalHandler, journald: socket.socket) -> None:
    made = record("a bug", logging.ERROR)
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        made.exc_info = sys.exc_info()
    message = sent(handler, journald, made)["MESSAGE"]
    assert message.startswith("a bug\nTraceback")
    assert message.endswith("ZeroDivisionError: division by zero")


def test_what_journald_does_not_take_goes_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    handler = JournalHandler(str(tmp_path / "nobody"))
    handler.handle(record("not lost", logging.WARNING))
    handler.close()
    assert capfd.readouterr().err == "<4>not lost\n"


def test_a_full_queue_stops_nobody(tmp_path: Path, journald: socket.socket, capfd: pytest.CaptureFixture[str]) -> None:
    handler = JournalHandler(str(tmp_path / "socket"))
    for number in range(2000):
        handler.handle(record(f"record {number}"))
    handler.close()
    assert "<6>record 1999\n" in capfd.readouterr().err


def test_a_log_call_with_wrong_arguments_does_not_end_the_daemon(
    handler: JournalHandler, journald: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    handler.handle(record("%d", logging.INFO, "not a number"))
    assert "Logging error" in capfd.readouterr().err


def test_plain_lines_have_a_priority_each(capfd: pytest.CaptureFixture[str]) -> None:
    handler = StderrHandler()
    handler.handle(record("one\ntwo\x1b", logging.ERROR))
    handler.handle(record(""))
    assert capfd.readouterr().err == "<3>one\n<3>two\\x1b\n<6>\n"


@pytest.mark.parametrize(
    ("stream", "kind"),
    [("", StderrHandler), ("x:y", StderrHandler), ("1:1", StderrHandler), (None, JournalHandler)],
)
def test_the_journal_is_used_where_stderr_goes_there_anyway(stream: str | None, kind: type[logging.Handler]) -> None:
    status = os.fstat(2)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    for handler in before:
        root.removeHandler(handler)
    try:
        set_up("warning", {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}" if stream is None else stream})
        assert [type(handler) for handler in root.handlers] == [kind]
        assert root.level == logging.WARNING
    finally:
        for handler in list(root.handlers):
            root.removeHandler(handler)
            handler.close()
        for handler in before:
            root.addHandler(handler)
        root.setLevel(level)


def test_each_kind_of_event_has_an_id_of_its_own() -> None:
    ids = [event.value.message_id for event in Event]
    assert len(set(ids)) == len(ids)
    assert all(len(bytes.fromhex(text)) == 16 for text in ids)
