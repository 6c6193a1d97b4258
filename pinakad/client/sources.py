"""Which nodes do these files bring: each one node, a list, or an object keyed by address, as producers write them?"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinakad.cli.commands.validate import STDIN_NAME, Draft, as_draft
from pinakad.cli.console.session import FaultError, WrongUseError
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.selection import read_file
from pinakad.problems import cause_of

MAX_BYTES = 256 * 1024 * 1024
"""Of a file with many nodes; each node for itself is held to the daemon's limit."""


@dataclass(frozen=True)
class Source:
    """One node that is to be stored: where it comes from, for messages, and what the file will contain."""

    label: str
    raw: bytes


def read_sources(paths: tuple[Path, ...]) -> list[Source]:
    """Read what the paths name. Raises WrongUseError where there is no such file, FaultError where it says nothing."""
    return [source for path in paths for source in _split(*_read(path))]


def as_drafts(sources: list[Source], *, allow_loopback: bool) -> list[Draft]:
    """Return them as node files that are newer than all that have a number."""
    files = (read_file(source.label, source.raw, allow_loopback=allow_loopback) for source in sources)
    return [as_draft(file, position) for position, file in enumerate(files)]


def _read(path: Path) -> tuple[str, bytes]:
    if str(path) == "-":
        return STDIN_NAME, sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        return str(path), read_regular(path.resolve(), MAX_BYTES)
    except NotRegularError:
        raise WrongUseError(
            f"cannot read '{path}': it is no regular file; for a folder's files write {path}/*.json"
        ) from None
    except OSError as error:
        raise WrongUseError(f"cannot read '{path}': {cause_of(error)}") from error


def _split(label: str, raw: bytes) -> Iterator[Source]:
    try:
        value = strict_json.parse(raw, max_bytes=MAX_BYTES)
    except strict_json.JsonError as error:
        raise FaultError(f"{label}: cannot read the file as JSON: {error}; nothing was stored") from None
    if _is_node(value):
        yield Source(label, raw)
        return
    items = list(_items(value))
    if not items:
        text = "must be a node, a list of nodes or an object of nodes keyed by address"
        raise FaultError(f"{label}: {text}, and it has none; nothing was stored")
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
