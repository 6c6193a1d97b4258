"""Is an unknown key of a node file a known key that is misspelled, or that is in the wrong place?

Unknown keys are allowed. One that is nearly a known key is a warning; where the known field is needed and missing, it
is an error.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from pydantic import BaseModel

from pinakad.nodes.node_file import Interface, NodeFile, Properties, Ssh, is_bond_key, is_known_key, present
from pinakad.nodes.spelling import MAX_SLIPS, plain, single, slips_between
from pinakad.printable import printable
from pinakad.problems import Code, Problem, Spot, pointer

_MAX_FOUND = 50
"""The limit of misspelled keys that are reported for a file: thousands would hide what matters."""
_MAX_COMPARED = 1_000
"""The limit of different unknown keys of a file that are compared with known ones."""
_MAX_KEY = 40
_SHORT = 2
_LONG = 6
_SHARED = ("cidr", "gateway", "startingip", "endingip", "nameserver")


def _names(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(field.alias or name for name, field in model.model_fields.items())


_TOP = _names(NodeFile) | {f"{of}_{what}" for of in ("provider", "tenant") for what in _SHARED}
_INTERFACE, _PROPERTIES, _SSH = _names(Interface), _names(Properties), _names(Ssh)
_CONTAINER = frozenset[str]()  # the keys of `using_interfaces` are names, see `is_known_key`
_Place = tuple[str, ...]
_AROUND: Mapping[frozenset[str], tuple[frozenset[str], ...]] = {
    _TOP: (_SSH, _INTERFACE),
    _CONTAINER: (_TOP, _INTERFACE),
    _INTERFACE: (_PROPERTIES, _TOP),
    _PROPERTIES: (_INTERFACE,),
    _SSH: (_TOP,),
}
"""For the keys of each object, the keys of the objects one level below and above it."""


@dataclass(frozen=True, slots=True)
class Misspelling:
    """An unknown key, the known key that it is nearly equal to, and where that one belongs (None: in any interface)."""

    key: str
    known: str
    here: _Place
    there: _Place | None
    needed: bool

    @property
    def hint(self) -> str:
        """The unknown key and its place, as the end of a sentence."""
        key = printable(self.key)
        if self.there == self.here:
            return f"'{key}' is nearly it"
        return f"'{key}' in {_shown(self.here)} may be it"

    def problem(self, spot: Spot) -> Problem:
        """Return the misspelling as a problem of its own."""
        place = spot.at(*self.here, self.key)
        where = "" if self.there == self.here else f" in {_shown(self.there)}"
        if self.needed:
            text = f"the field '{self.known}'{where} is missing; {self.hint}"
            return place.error(Code.MISSING, text, self.key)
        text = f"unknown key, it is ignored; is '{self.known}'{where} meant?"
        return place.warning(Code.MISSPELLED_KEY, text, self.key)


def with_suggestions(spot: Spot, value: Any, problems: list[Problem]) -> list[Problem]:
    """Return `problems` of the JSON value of a file, with those of misspelled keys added.

    Where a field is reported as missing already, that problem names the misspelled key; it is not reported twice.
    """
    found = list(islice(_misspelled(value), _MAX_FOUND)) if isinstance(value, dict) else []
    if not found:
        return problems
    missing = {problem.path for problem in problems if problem.code in (Code.MISSING, Code.UNKNOWN_BOND)}
    hints: dict[str, Misspelling] = {}
    for one in found:
        path = None if one.there is None else pointer(*one.there, one.known)
        if path is not None and path in missing:
            hints.setdefault(path, one)
    reported = set(hints.values())
    named = [_with_hint(problem, hints.get(problem.path)) for problem in problems]
    return named + [one.problem(spot) for one in found if one not in reported]


def _with_hint(problem: Problem, one: Misspelling | None) -> Problem:
    if one is None or problem.code not in (Code.MISSING, Code.UNKNOWN_BOND):
        return problem
    return problem.model_copy(update={"message": f"{problem.message}; {one.hint}"})


def _misspelled(value: dict[str, Any]) -> Iterator[Misspelling]:
    compared: set[str] = set()
    for keys, here, item in _objects(value):
        if item.keys() <= keys:
            continue
        for key in item:
            if key in keys or len(key) > _MAX_KEY or (keys is _CONTAINER and is_known_key(key)):
                continue
            compared.add(key)
            if len(compared) > _MAX_COMPARED:
                return
            near = _near(key, keys, is_address=_is_address(item[key]))
            if near is not None:
                yield _as_misspelling(value, item[key], key, here, *near)


def _objects(value: dict[str, Any]) -> Iterator[tuple[frozenset[str], _Place, dict[str, Any]]]:
    """Yield the objects of a node file, each with its known keys and its path."""
    yield _TOP, (), value
    if isinstance(ssh := value.get("ssh"), dict):
        yield _SSH, ("ssh",), ssh
    if not isinstance(interfaces := value.get("using_interfaces"), dict):
        return
    yield _CONTAINER, ("using_interfaces",), interfaces
    for key, interface in interfaces.items():
        if isinstance(interface, dict) and is_known_key(key):
            yield _INTERFACE, ("using_interfaces", key), interface
            if isinstance(properties := interface.get("Properties"), dict):
                yield _PROPERTIES, ("using_interfaces", key, "Properties"), properties


# --- which key is meant


@lru_cache(maxsize=4096)
def _near(key: str, keys: frozenset[str], *, is_address: bool) -> tuple[str, frozenset[str]] | None:
    """Return the known key that `key` is nearly equal to, and the keys of the object that the known key belongs to."""
    word = plain(key)
    for known in (keys, *_AROUND[keys]):
        for name in known:
            if plain(name) == word or (known is keys and single(plain(name)) == single(word)):
                return name, known
    close = sorted((slips_between(word, plain(name)), name) for name in keys)
    return next(
        ((name, keys) for slips, name in close if slips <= _allowed(word, plain(name), is_address=is_address)), None
    )


def _allowed(word: str, name: str, *, is_address: bool) -> int:
    """Return how many typing slips two keys may differ by. In a short word more than one makes another word."""
    if len(name) <= _SHORT:
        return 1 if is_address else 0
    return MAX_SLIPS if len(name) >= _LONG and abs(len(word) - len(name)) < MAX_SLIPS else 1  # "tenant_id" is no slip


# --- is it needed


def _as_misspelling(
    value: dict[str, Any], written: Any, key: str, here: _Place, known: str, keys: frozenset[str]
) -> Misspelling:
    there = _place_of(here, keys)
    if there is None:
        return Misspelling(key, known, here, None, needed=False)
    holder: Any = value
    for step in there:
        holder = holder.get(step) if isinstance(holder, dict) else None
    absent = not isinstance(holder, dict) or not present(holder.get(known, ""))
    return Misspelling(key, known, here, there, needed=absent and _is_needed(value, here, known, written))


def _place_of(here: _Place, keys: frozenset[str]) -> _Place | None:
    """Return the path of the object with these keys, as seen from `here`; None: in one of the interfaces."""
    if keys is _TOP:
        return ()
    if keys is _SSH:
        return ("ssh",)
    if keys is _CONTAINER or len(here) < 2:  # noqa: PLR2004 - /using_interfaces/<key>
        return None
    return (*here[:2], "Properties") if keys is _PROPERTIES else here[:2]


def _is_needed(value: dict[str, Any], here: _Place, known: str, written: Any) -> bool:
    """Return whether the deployment needs the field, whose value `written` is under a key that is ignored."""
    if known == "ssh":
        return isinstance(written, dict) and bool(written.keys() & _SSH)
    if here == ("ssh",):
        return known in _SSH
    if len(here) < 2:  # noqa: PLR2004 - /using_interfaces/<key>; what is needed at the top is missing in any case
        return False
    return _is_needed_by(value["using_interfaces"][here[1]], here[1], known, written)


def _is_needed_by(interface: dict[str, Any], key: str, known: str, written: Any) -> bool:
    if known == "Bond_Slave":
        return isinstance(written, str) and written.strip().upper() == "YES"
    is_slave = not is_bond_key(key) and str(interface.get("Bond_Slave", "")).upper() == "YES"
    if is_slave or _has_address(interface):
        return False
    if known == "Properties":
        return isinstance(written, dict) and any(map(_is_address, written.values()))
    return known in ("IP_ADDRESS", "ip") and _is_address(written)


def _has_address(interface: dict[str, Any]) -> bool:
    properties = interface.get("Properties")
    inside = properties.get("IP_ADDRESS", "") if isinstance(properties, dict) else ""
    return bool(present(inside) or present(interface.get("ip", "")))


def _is_address(written: Any) -> bool:
    """Return whether `written` resembles an IPv4 address: a mistyped one is one, too."""
    return isinstance(written, str) and re.fullmatch(r"\s*\d{1,3}(\.\d{1,3}){3}(/\d+)?\s*", written) is not None


def _shown(place: _Place | None) -> str:
    if place is None:
        return "an interface"
    return f"'{printable(place[-1])}'" if place else "the file's own fields"
