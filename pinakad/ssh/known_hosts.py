"""Which host keys does the operator's known_hosts name for a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)?

The file is read once, whatever its size: exact names are indexed, only patterns and hashed names are searched.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from fnmatch import translate
from functools import cache

_MARKERS = ("@revoked", "@cert-authority")
_HASHED = "|1|"
_WILD = re.compile(r"[*?]")
Key = tuple[str, bytes]
"""Type and blob."""


class Answer(Enum):
    """How the file judges a key of a host."""

    KNOWN = auto()
    OTHER = auto()  # it names other keys for this host
    REVOKED = auto()
    UNKNOWN = auto()  # it names none for this host


class KnownHostsError(Exception):
    """A line cannot be used; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line with patterns. `begins`: for each pattern the plain text that each matching name begins with."""

    patterns: tuple[str, ...]
    key: Key
    begins: tuple[str, ...]

    def matches(self, name: str) -> bool:
        """Return whether a pattern matches the host name, and no negated one does."""
        if not name.startswith(self.begins):
            return False
        matched = False
        for pattern in self.patterns:
            if _is_like(name, pattern.removeprefix("!")):
                if pattern.startswith("!"):
                    return False
                matched = True
        return matched


@dataclass
class KnownHosts:
    """The keys of all hosts. Names have the form of ssh(1): `address`, or `[address]:port`."""

    exact: dict[str, list[Key]] = field(default_factory=dict)
    others: list[_Line] = field(default_factory=list)
    revoked: dict[Key, list[_Line]] = field(default_factory=dict)
    authorities: int = 0
    """How many lines name a certificate authority: they have no effect, as certificates are not supported."""
    _asked: dict[str, list[Key]] = field(default_factory=dict)

    def keys_of(self, name: str) -> list[Key]:
        """Return the keys that a host may have. The result is cached, as hashed names take time to compare."""
        name = name.lower()
        if name not in self._asked:
            self._asked[name] = self.exact.get(name, []) + [line.key for line in self.others if line.matches(name)]
        return self._asked[name]

    def answer(self, name: str, key: Key) -> Answer:
        """Return how the file judges the key that a host has shown."""
        name = name.lower()
        if any(line.matches(name) for line in self.revoked.get(key, ())):
            return Answer.REVOKED
        known = self.keys_of(name)
        if key in known:
            return Answer.KNOWN
        return Answer.OTHER if known else Answer.UNKNOWN


def parse_known_hosts(data: bytes) -> KnownHosts:
    """Parse the content of a known_hosts file. Raises KnownHostsError at the first line that cannot be used."""
    hosts = KnownHosts()
    for number, words in _lines(data):
        marker = words.pop(0) if words[0].startswith("@") else ""
        if marker and marker not in _MARKERS:
            raise KnownHostsError(f"line {number}: unknown marker '{marker[:40]}'; known are {', '.join(_MARKERS)}")
        if len(words) < 3:  # noqa: PLR2004 - names, type, key
            raise KnownHostsError(f"line {number}: not of the form 'HOST TYPE KEY'")
        names, key = _names(number, words[0]), _key(number, words[1], words[2])
        if marker == "@cert-authority":
            hosts.authorities += 1
        elif marker:
            hosts.revoked.setdefault(key, []).append(_line(names, key))
        elif any(_is_pattern(name) for name in names):
            hosts.others.append(_line(names, key))
        else:
            for name in names:
                hosts.exact.setdefault(name, []).append(key)
    return hosts


def _lines(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield number and words of each line that is neither empty nor a comment."""
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").split("\n"), 1):
        words = line.split(maxsplit=4)
        if words and not words[0].startswith("#"):
            yield number, words


def _key(number: int, kind: str, text: str) -> Key:
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise KnownHostsError(f"line {number}: the key is not base64") from None
    if not blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()):
        raise KnownHostsError(f"line {number}: the key is not of type '{kind[:40]}'")
    return kind, blob


def _names(number: int, text: str) -> tuple[str, ...]:
    if not text.startswith(_HASHED):  # a line has only one hashed name, and its case matters
        return tuple(text.lower().split(","))
    if _hash_parts(text) is None:
        raise KnownHostsError(f"line {number}: the hashed name is not of the form '|1|SALT|HASH'")
    return (text,)


def _line(names: tuple[str, ...], key: Key) -> _Line:
    wanted = [name for name in names if not name.startswith("!")]
    return _Line(names, key, tuple("" if name.startswith(_HASHED) else _WILD.split(name, 1)[0] for name in wanted))


def _is_pattern(name: str) -> bool:
    return name.startswith(("!", _HASHED)) or "*" in name or "?" in name


def _is_like(name: str, pattern: str) -> bool:
    if pattern.startswith(_HASHED):
        salt, digest = _hash_parts(pattern) or (b"", b"")
        return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
    return _compiled(pattern).fullmatch(name) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern. Only `*` and `?` are special: brackets enclose an address that has a port."""
    return re.compile(translate(re.sub(r"\*+", "*", pattern).replace("[", "[[]")))


@cache
def _hash_parts(name: str) -> tuple[bytes, bytes] | None:
    """Return salt and HMAC-SHA1 of a hashed name, None where it has another form."""
    parts = name.split("|")
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in parts[2:])
    except (binascii.Error, ValueError):
        return None
    return (salt, digest) if len(digest) == hashlib.sha1(usedforsecurity=False).digest_size else None
