"""What the daemon and a login worker say to each other.

Each message is one JSON object in one packet of a Unix socket of type SOCK_SEQPACKET (unix(7)): none is cut, and none
joined with the next one. `Begin` carries the connected socket of the node (SCM_RIGHTS). For one login the daemon sends
`Begin`, the worker answers `HostKeyShown` before it authenticates, the daemon `HostKeyVerdict`; where the ready_command
is asked for, the worker says `FactsShown` before it runs it, the daemon `ReadyVerdict`; at the end the worker `Ended`.
What does not have the form below is refused: a worker reads what hostile nodes send.
"""

import json
from dataclasses import asdict, dataclass, fields
from math import isfinite
from typing import Any

from pinakad.polling.vocabulary import NodeReason, Rung

CLIENT_BANNER = b"SSH-2.0-pinakad\r\n"
"""The banner of our side. The daemon sends it; a worker must not send it again."""
MAX_MESSAGE_BYTES = 16384
"""The longest are host keys, of 4096 bytes at most (transport.py); every text is cut by its writer."""


class MessageError(Exception):
    """A message does not have the form that it should have."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a worker is given at its start, on its stdin: the same for all logins of a run.

    `version` is the daemon's; `workers` is how many of them share what floods may cost.
    """

    version: str
    key: str
    ready_command: str
    command_timeout_s: float
    workers: int


@dataclass(frozen=True, slots=True)
class Begin:
    """Log in on the socket that comes with this message; `left_s` (own time) is for key exchange and authentication.

    `kinds`: the types of host keys to request first. `ready`: show the facts, and run the `ready_command` where the
    daemon then says so.
    """

    login: int
    user: str
    kinds: list[str]
    left_s: float
    ready: bool


@dataclass(frozen=True, slots=True)
class HostKeyVerdict:
    """Go on with the login, or end it: the host key is not the node's."""

    login: int
    accepted: bool


@dataclass(frozen=True, slots=True)
class ReadyVerdict:
    """Run the ready_command on this machine, or do not: it is another one, or has not rebooted."""

    login: int
    run: bool


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker is ready for logins; or it is not, and ends: `problem` says why, `is_key` whether the key is why."""

    problem: str
    is_key: bool


@dataclass(frozen=True, slots=True)
class HostKeyShown:
    """The node has proved that it has this host key: its type, and its blob in base64 (RFC 4253, section 6.6)."""

    login: int
    kind: str
    blob: str


@dataclass(frozen=True, slots=True)
class FactsShown:
    """What the machine has told of itself, before the ready_command is run there."""

    login: int
    boot_id: str | None
    uptime_s: float | None
    hostname: str | None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a login ended. `rung` and `reason` are the words of polling/vocabulary.py.

    `accepted`: the node let us in with the key. `ready`: whether the ready_command succeeded, None where it was not
    run. `lack`: this machine lacked something, which says nothing of the node.
    `no_thread`: nothing was sent, because there is no thread; the login can begin again on the same socket.
    """

    login: int
    rung: str
    reason: str | None = None
    message: str = ""
    boot_id: str | None = None
    uptime_s: float | None = None
    hostname: str | None = None
    ready: bool | None = None
    accepted: bool = False
    lack: bool = False
    no_thread: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a rung or a reason that does not exist."""
        Rung(self.rung)
        if self.reason is not None:
            NodeReason(self.reason)


def encode(message: Any) -> bytes:
    """Return a message as it is sent."""
    return json.dumps({"is": type(message).__name__, **asdict(message)}, separators=(",", ":")).encode()


def settings_of(data: bytes) -> Settings:
    """Return what a worker is given at its start. Raises MessageError."""
    settings: Settings = _decoded(data, Settings)
    return settings


def from_daemon(data: bytes) -> Begin | HostKeyVerdict | ReadyVerdict:
    """Return a message of the daemon. Raises MessageError."""
    message: Begin | HostKeyVerdict | ReadyVerdict = _decoded(data, Begin, HostKeyVerdict, ReadyVerdict)
    return message


def from_worker(data: bytes) -> Hello | HostKeyShown | FactsShown | Ended:
    """Return a message of a worker. Raises MessageError."""
    message: Hello | HostKeyShown | FactsShown | Ended = _decoded(data, Hello, HostKeyShown, FactsShown, Ended)
    return message


def _decoded(data: bytes, *kinds: type) -> Any:
    try:
        found = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"it is no JSON: {error}") from None
    name = found.pop("is", None) if isinstance(found, dict) else None
    kind = next((kind for kind in kinds if kind.__name__ == name), None)
    if kind is None:
        raise MessageError("it is no message that is expected")
    return _made(kind, found)


def _made(kind: Any, found: dict[str, Any]) -> Any:
    wanted = {field.name: field.type for field in fields(kind)}
    if wanted.keys() != found.keys():
        raise MessageError(f"{kind.__name__} has other fields")
    for name, value in found.items():
        if not _fits(value, wanted[name]):
            raise MessageError(f"{name} of {kind.__name__} has another type")
    try:
        return kind(**found)
    except ValueError as error:
        raise MessageError(str(error)) from None


def _fits(value: Any, kind: Any) -> bool:
    """Return whether a value has the type of a field: these are the types that messages have."""
    if kind == list[str]:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if type(value) is int and kind in (float, float | None):
        return True
    if type(value) is bool and kind not in (bool, bool | None):  # in Python a bool is an int
        return False
    return isinstance(value, kind) and not (isinstance(value, float) and not isfinite(value))


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")
