"""Which nodes do these files bring: each one node, a list, or an object keyed by address, as producers write them?"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from pinakad.client.errors import NotStoredError, SourceError
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.selection import ParsedNodeFile, read_file
from pinakad.problems import cause_of

MAX_BYTES = 256 * 1024 * 1024
"""Of a file with many nodes; each node for itself is held to the daemon's limit."""
STDIN_NAME = "stdin"
_AFTER_ALL = 10**18


@dataclass(frozen=True)
class Source:
    """One node that is to be stored: where it comes from, for messages, and what the file will contain."""

    label: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Draft(ParsedNodeFile):
    """A file that has no number yet: it is newer than all that have one."""

    position: int = 0

    @property
    def key(self) -> tuple[int, str]:
        """The order of node files: drafts come last."""
        return (_AFTER_ALL + self.position, self.name)


def read_sources(paths: tuple[Path, ...]) -> list[Source]:
    """Read what the paths name. Raises SourceError and NotStoredError."""
    return [source for path in paths for source in _split(*_read(path))]


def as_drafts(sources: list[Source], *, allow_loopback: bool) -> list[Draft]:
    """Return them as node files that are newer than all that have a number."""
    files = (read_file(source.label, source.raw, allow_loopback=allow_loopback) for source in sources)
    return [as_draft(file, position) for position, file in enumerate(files)]


def as_draft(file: ParsedNodeFile, position: int) -> Draft:
    """Return the file as one without a number, at this place among such."""
    values = {item.name: getattr(file, item.name) for item in fields(ParsedNodeFile)}
    return Draft(**values, position=position)


def _read(path: Path) -> tuple[str, bytes]:
    if str(path) == "-":
        return STDIN_NAME, sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        return str(path), read_regular(path.resolve(), MAX_BYTES)
    except NotRegularError:
        raise SourceError(path, "it is no regular file", is_regular=False) from None
    except OSError as error:
        raise SourceError(path, cause_of(error)) from error


def _split(label: str, raw: bytes) -> Iterator[Source]:
    try:
        value = strict_json.parse(raw, max_bytes=MAX_BYTES)
    except strict_json.JsonError as error:
        raise NotStoredError(f"{label}: cannot read the file as JSON: {error}; nothing was stored") from None
    if _is_node(value):
        yield Source(label, raw)
        return
    items = list(_items(value))
    if not items:
        text = "must be a node, a list of nodes or an object of nodes keyed by address"
        raise NotStoredError(f"{label}: {text}, and it has none; nothing was stored")
    for key, item in items:
        yield Source(f"{label}[{key}]", (json.dumps(item, indent=1, ensure_ascii=False) + "\n").encode())


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list):
        yield from ((str(position), item) for position, item in enumerate(value, start=1))
    elif isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()):
        yield from value.items()


def _is_node(value: Any) -> bool:
    """An object keyed by address has no such key; a node that lacks both is told as a node with problems."""
    if not isinstance(value, dict):
        return False
    return bool({"hostname", "using_interfaces", "disk", "roles"} & set(value)) or not (
        value and all(isinstance(item, dict) for item in value.values())
    )
