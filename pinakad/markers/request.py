"""What is asked? A request is read and parsed; an invalid one has its problems."""

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from pinakad.linux.files import read_up_to
from pinakad.markers.names import OURS, REQUEST
from pinakad.nodes import strict_json
from pinakad.printable import cause_of
from pinakad.problems import MAX_PROBLEMS, Code, Problem, Spot, capped
from pinakad.report.request import RequestDocument, RequestPart
from pinakad.state.served import ServedRequest

_READS = 100  # under a storm of touches the last read counts: the file differs from it then, and is served again


@dataclass(frozen=True, slots=True)
class Identity:
    """What distinguishes one request from another. The device never counts: it changes over a boot."""

    inode: int
    mtime_ns: int
    size: int
    sha256: str

    @classmethod
    def of(cls, part: RequestPart | ServedRequest) -> "Identity":
        """Return the identity that a report or served.json has written down."""
        return cls(part.inode, part.mtime_ns, part.size, part.sha256)


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is there: its identity, when it was made (wall clock, seconds), what it asks or its problems."""

    identity: Identity
    requested_wall_s: float
    document: RequestDocument | None
    problems: tuple[Problem, ...] = ()
    came_ns: int = field(default=0, compare=False)
    """The ctime, in nanoseconds: when the request was put there, or was last changed in any way."""

    def part(self) -> RequestPart:
        """Return the request as the report has it."""
        document = self.document or RequestDocument.model_construct(nodes=None, request_id=None)
        identity = self.identity
        return RequestPart(
            id=document.request_id,
            nodes=document.nodes,
            inode=identity.inode,
            mtime_ns=identity.mtime_ns,
            size=identity.size,
            sha256=identity.sha256,
        )


def read_request(path: Path) -> Request | None:
    """Read a request, None where there is none; read it again where it changed meanwhile. Raises OSError.

    No link is followed, and no writer of a FIFO is waited for.
    """
    before = status_of(path)
    for _ in range(_READS):
        if before is None:
            return None
        raw, problem = _content(path, before)
        after = status_of(path)
        if after is not None and _core(before) == _core(after):
            return _as_request(before, raw, problem)
        before = after
    return None if before is None else _as_request(before, raw, problem)


def _as_request(status: os.stat_result, raw: bytes, problem: Problem | None) -> Request:
    identity = Identity(status.st_ino, status.st_mtime_ns, status.st_size, sha256(raw).hexdigest())
    if problem is not None:
        return Request(identity, status.st_mtime, None, (problem,), status.st_ctime_ns)
    document, problems = parse_request(raw)
    return Request(identity, status.st_mtime, document, tuple(problems), status.st_ctime_ns)


def _core(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _content(path: Path, status: os.stat_result) -> tuple[bytes, Problem | None]:
    spot = Spot(path.name if not path.name.startswith(OURS) else REQUEST)
    if not stat.S_ISREG(status.st_mode):
        text = "a request must be a regular file, not a folder, a link or the like"
        return b"", spot.error(Code.NOT_A_FILE, text)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b"", None
    except (PermissionError, OSError) as error:
        text = f"cannot read the request: {cause_of(error)}; make it readable for the daemon's user"
        return b"", spot.error(Code.UNREADABLE, text)
    try:
        return read_up_to(descriptor, strict_json.MAX_BYTES + 1), None
    finally:
        os.close(descriptor)


def parse_request(raw: bytes) -> tuple[RequestDocument | None, list[Problem]]:
    """Return what the bytes of a request ask for, or what is wrong with them: MAX_PROBLEMS at most, and how many more.

    The last two contents are cached: the same bytes are parsed once, however often the folder is checked.
    """
    document, problems = _parsed(raw)
    return document, list(problems)


@lru_cache(maxsize=2)  # the one that is served and the one that waits
def _parsed(raw: bytes) -> tuple[RequestDocument | None, tuple[Problem, ...]]:
    document, problems = _parse(raw)
    return document, tuple(problems)


def _parse(raw: bytes) -> tuple[RequestDocument | None, list[Problem]]:
    spot = Spot(REQUEST)
    if len(raw) <= strict_json.MAX_BYTES and not raw.removeprefix(b"\xef\xbb\xbf").strip():
        return RequestDocument.model_construct(nodes=None, request_id=None), []
    try:
        value = strict_json.parse(raw)
    except strict_json.JsonError as error:
        text = f'a request is empty or a JSON object such as {{"nodes": ["node_05.json"]}}: {error}'
        return None, [spot.error(Code(error.code), text)]
    if not isinstance(value, dict):
        return None, [spot.error(Code.NOT_AN_OBJECT, "a request is empty or a JSON object", value)]
    try:
        document = RequestDocument.model_validate(value)
    except ValidationError as error:
        found = [_finding(spot, item) for item in error.errors(include_url=False)[:MAX_PROBLEMS]]
        return None, capped(found, spot, left_out=error.error_count() - len(found))
    doubled = [name for name, times in Counter(document.nodes or ()).items() if times > 1]
    if doubled:
        text = f"{len(doubled)} node file{'s are' if len(doubled) > 1 else ' is'} named twice"
        return None, [spot.at("nodes").error(Code.BAD_VALUE, text, sorted(doubled)[:MAX_PROBLEMS])]
    return document, []


def _finding(spot: Spot, item: object) -> Problem:
    assert isinstance(item, dict)  # noqa: S101 - pydantic's error details; for the type checker
    place = spot.at(*item["loc"])
    if item["type"] == "extra_forbidden":
        return place.error(Code.UNKNOWN_KEY, 'unknown key; known are "nodes" and "request_id"', item["input"])
    code = Code.WRONG_TYPE if item["type"].endswith("_type") else Code.BAD_VALUE
    return place.error(code, item["msg"].removeprefix("Value error, ").lower(), item["input"])


def status_of(path: Path) -> os.stat_result | None:
    """Return the status of what has this name, None where nothing has. Raises OSError."""
    try:
        return path.lstat()
    except FileNotFoundError:
        return None
