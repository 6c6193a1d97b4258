"""Parses JSON that has only one meaning for every reader; anything else is an error."""

import json
import math
import re
from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_BYTES = 1024 * 1024
_MAX_DIGITS = 20  # the longest number in 64 bits; int() itself refuses more than 4,300 digits
_WHOLE_NUMBERS = range(-(2**63), 2**64)
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonError(ValueError):
    """The text is not JSON with a single meaning; the message says what is wrong and where, in lower case.

    `code` is one of `not_utf8`, `not_json`, `duplicate_key`, `too_deep`, `bad_number`, `bad_text`, `too_large`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(raw: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the JSON value (RFC 8259) of `raw`: UTF-8, with or without a byte order mark.

    Raises JsonError where readers could disagree about the meaning: duplicate keys, lone surrogates (RFC 8259,
    section 8.2), numbers past 64 bits, NaN, more than MAX_DEPTH levels, more than `max_bytes` bytes.
    """
    if len(raw) > max_bytes:
        raise JsonError("too_large", f"it has {len(raw):,} bytes, {max_bytes:,} are allowed")
    text = _decode(raw)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_int=_whole_number,
            parse_float=_real_number,
            parse_constant=_no_constant,
        )
    except RecursionError:
        raise JsonError("too_deep", f"it is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise JsonError("not_json", f"{error.msg.lower()} at line {error.lineno}, column {error.colno}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH or _SURROGATE_ESCAPE.search(text):
        _walk(value)
    return value


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JsonError("not_utf8", f"byte {error.start} is not UTF-8 (0x{raw[error.start]:02x})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise JsonError("duplicate_key", f"the key {json.dumps(key)} occurs twice in one object")
            seen.add(key)
    return result


def _whole_number(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS or int(text) not in _WHOLE_NUMBERS:
        raise JsonError("bad_number", f"the number {text[:30]} does not fit into 64 bits")
    return int(text)


def _real_number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError("bad_number", f"the number {text[:30]} is not finite")
    return value


def _no_constant(text: str) -> NoReturn:
    raise JsonError("bad_number", f"{text} is not a JSON number")


def _walk(value: Any) -> None:
    """Check depth and text without recursion, as the depth is not yet bounded. Raises JsonError."""
    level = [value]
    for depth in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _require_unicode(item)
            elif isinstance(item, dict | list) and depth == MAX_DEPTH:
                raise JsonError("too_deep", f"it is nested deeper than {MAX_DEPTH} levels")
            elif isinstance(item, dict):
                below.extend(item)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = below


def _require_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise JsonError("bad_text", f"a lone surrogate (\\u{ord(text[error.start]):04x}) is not text") from None
