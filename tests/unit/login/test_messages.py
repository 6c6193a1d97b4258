"""Do both sides read what the other one means, and nothing else?"""

import json
from typing import Any

import pytest

from pinakad.login.messages import (
    Begin,
    Ended,
    FactsShown,
    Hello,
    HostKeyShown,
    HostKeyVerdict,
    MessageError,
    ReadyVerdict,
    Settings,
    encode,
    from_daemon,
    from_worker,
    settings_of,
)

ENDED = Ended(7, "command", None, "", "b", 1.5, "n", accepted=True)


@pytest.mark.parametrize(
    ("message", "read"),
    [
        (Settings("1", "/key", "", 30.0, 2), settings_of),
        (Settings("1", "/key", 'test "$x" = ä\n', 30, 2), settings_of),
        (Begin(7, "root", ["ssh-rsa"], 15.0, ready=True), from_daemon),
        (Begin(7, "root", [], 15, ready=False), from_daemon),
        (ReadyVerdict(7, run=True), from_daemon),
        (FactsShown(7, None, 1.5, "sqdn-001"), from_worker),
        (Ended(7, "command", ready=True), from_worker),
        (HostKeyVerdict(7, accepted=False), from_daemon),
        (Hello("", is_key=False), from_worker),
        (HostKeyShown(7, "ssh-ed25519", "AAAA"), from_worker),
        (ENDED, from_worker),
        (Ended(7, "banner", "timeout", "\x1b\ud800", lack=True, no_thread=True), from_worker),
    ],
)
def test_what_one_side_sends_the_other_one_reads(message: Any, read: Any) -> None:
    assert read(encode(message)) == message


FINE: dict[str, Any] = json.loads(encode(ENDED))


def but(**changed: Any) -> bytes:
    return json.dumps(FINE | changed).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"7",
        b"\xff",
        b"[" * 100_000,
        b"{}",
        encode(Begin(1, "root", [], 1.0, ready=False)),
        but(**{"is": "Popen"}),
        but(**{"is": None}),
        but(more=1),
        json.dumps({key: value for key, value in FINE.items() if key != "lack"}).encode(),
        but(login="7"),
        but(login=True),
        but(login=None),
        but(rung="top"),
        but(rung=None),
        but(reason="because"),
        but(message=None),
        but(uptime_s="1"),
        but(uptime_s=True),
        but(uptime_s=float("nan")),
        but(uptime_s=float("inf")),
        but(accepted=1),
        but(hostname=["n"]),
    ],
    ids=lambda data: data[:60],
)
def test_what_is_no_message_of_a_worker_is_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        from_worker(data)


@pytest.mark.parametrize("kinds", [None, "ssh-rsa", [1], {"a": "b"}])
def test_what_is_no_message_of_the_daemon_is_refused(kinds: Any) -> None:
    fine = json.loads(encode(Begin(1, "root", [], 1.0, ready=False)))
    with pytest.raises(MessageError):
        from_daemon(json.dumps(fine | {"kinds": kinds}).encode())
    with pytest.raises(MessageError):
        from_daemon(encode(ENDED))
