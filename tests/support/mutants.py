"""What may become of a sound JSON document: its values and keys replaced, dropped, doubled and moved, at any depth."""

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from paths import DATA

NASTY = st.sampled_from(
    [
        *("", " ", "NULL", "N/A", "\x1b[2J", "a\nb", "\u202e", "\ud800", "/", "~", "x" * 300, "255.255.255.255"),
        *("0.0.0.0", "127.0.0.1", "10.0.0.1", "10.0.0.1/24", "1e400", "-1", "\u0663", "YES", "NO", "bond1", "Mgmt"),  # noqa: S104 - a word
        *(None, True, False, 0, -1, 2**63, 2**64, 1e308, 5.5, [], {}, [[]], [{}], {"": ""}, [None], ["Primary"]),
    ]
)


def mutants(document: Any, least: int = 1) -> st.SearchStrategy[Any]:
    """Return documents that differ from this one in a few places."""
    return st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from("rdkms"), NASTY), min_size=least, max_size=4).map(
        lambda changes: _changed(document, changes)
    )


def node_files() -> st.SearchStrategy[bytes]:
    """Return what node files may be: sound ones, mutants of sound ones, and these cut, joined or with other bytes."""
    sound = [json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))]
    whole = st.sampled_from(sound).flatmap(lambda document: mutants(document, 0)).map(dumped)
    cut = st.tuples(whole, st.integers(0, 3000)).map(lambda pair: pair[0][: pair[1]])
    broken = st.tuples(whole, st.integers(0, 3000), st.binary(max_size=4)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    )
    return whole | cut | broken


def dumped(document: Any) -> bytes:
    """Return the JSON text, lone surrogates as escapes."""
    return json.dumps(document, ensure_ascii=True).encode()


def _changed(document: Any, changes: list[tuple[int, str, Any]]) -> Any:
    box = [copy.deepcopy(document)]
    for place, kind, value in changes:
        places = list(_places(box))
        holder, key = places[place % len(places)]
        _change(holder, key, kind, value)
    return box[0] if box else None


def _change(holder: Any, key: Any, kind: str, value: Any) -> None:
    if kind == "d":
        del holder[key]
    elif kind == "k" and isinstance(holder, dict):
        holder[value if isinstance(value, str) else "key"] = holder.pop(key)
    elif kind == "m" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif kind == "s" and isinstance(holder, dict):
        holder[str(key) + "1"] = copy.deepcopy(holder[key])
    else:
        holder[key] = copy.deepcopy(value)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
    if isinstance(value, list) and not value:
        value.append(None)
        yield value, 0
