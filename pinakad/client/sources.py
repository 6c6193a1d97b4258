"""Read the nodes that are to be stored: a file has one node, a list of nodes, or an object of nodes by address."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO

from pinakad.client.errors import NoNodesError, SourceError
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.reading import ParsedNodeFile, read_file
from pinakad.printable import cause_of

MAX_BYTES = 256 * 1024 * 1024
"""The limit of a file with many nodes; each node for itself is held to the daemon's limit."""
STDIN_NAME = "stdin"
_AFTER_ALL = 10**18


@dataclass(frozen=True)
class Source:
    """One node that is to be stored: its source, for messages, and the content of its file.

    `key`: its place in a document of several nodes, the position from 0 or the object's key; None where it is alone.
    """

    label: str
    raw: bytes
    key: int | str | None = None


@dataclass(frozen=True, slots=True)
class Draft(ParsedNodeFile):
    """A node file that has no number yet: it is newer than all that have one."""

    position: int = 0

    @property
    def key(self) -> tuple[int, str]:
        """The order of node files: drafts come last."""
        return (_AFTER_ALL + self.position, self.name)


def read_sources(paths: Sequence[Path], standard_input: BinaryIO) -> list[Source]:
    """Read the nodes in the files at these paths; "-" is the standard input. Raises SourceError and NoNodesError."""
    return [source for path in paths for source in sources_in(*_read(path, standard_input))]


def sources_in(label: str, raw: bytes) -> Iterator[Source]:
    """Read the nodes in one document: a node, a list of nodes or an object of nodes by address. Raises NoNodesError."""
    try:
        value = strict_json.parse(raw, max_bytes=MAX_BYTES)
    except strict_json.JsonError as error:
        raise NoNodesError(label, f"cannot read the file as JSON: {error}") from None
    if _is_node(value):
        yield Source(label, raw)
    else:
        yield from _sources_of(label, value)


def sources_of(label: str, value: Any) -> Iterator[Source]:
    """Return the nodes in a document that was parsed already, as `sources_in` does. Raises NoNodesError."""
    if _is_node(value):
        yield Source(label, _as_file(value))
    else:
        yield from _sources_of(label, value)


def _sources_of(label: str, value: Any) -> Iterator[Source]:
    items = list(_items(value))
    if not items:
        text = "must be a node, a list of nodes or an object of nodes keyed by address"
        raise NoNodesError(label, f"{text}, and it has none")
    for key, item in items:
        shown = key + 1 if isinstance(key, int) else key
        yield Source(f"{label}[{shown}]", _as_file(item), key)


def _as_file(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def as_drafts(sources: list[Source], *, allow_loopback: bool) -> list[Draft]:
    """Return the sources as node files that are newer than all that have a number, in their order."""
    files = (read_file(source.label, source.raw, allow_loopback=allow_loopback) for source in sources)
    return [as_draft(file, position) for position, file in enumerate(files)]


def as_draft(file: ParsedNodeFile, position: int) -> Draft:
    """Return the node file as one without a number, at this position among such files."""
    values = {item.name: getattr(file, item.name) for item in fields(ParsedNodeFile)}
    return Draft(**values, position=position)


def _read(path: Path, standard_input: BinaryIO) -> tuple[str, bytes]:
    if str(path) == "-":
        return STDIN_NAME, standard_input.read(MAX_BYTES + 1)
    try:
        return str(path), read_regular(path.resolve(), MAX_BYTES)
    except NotRegularError:
        raise SourceError(path, "it is no regular file", is_regular=False) from None
    except OSError as error:
        raise SourceError(path, cause_of(error)) from error


def _items(value: Any) -> Iterator[tuple[int | str, Any]]:
    if isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()):
        yield from value.items()


def _is_node(value: Any) -> bool:
    """An object keyed by address has none of these keys; any other object is checked as a node, and has problems."""
    if not isinstance(value, dict):
        return False
    return bool({"hostname", "using_interfaces", "disk", "roles"} & set(value)) or not (
        value and all(isinstance(item, dict) for item in value.values())
    )
