"""Calls as handlers get them, without a server."""

from collections.abc import Mapping, Sequence
from typing import Any

from pinakad.web.exchange import Call


def call_of(
    method: str = "GET",
    path: str = "/api/v1/status",
    headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None,
    *,
    query: Mapping[str, str] | None = None,
    parts: Mapping[str, str] | None = None,
    unix: bool = False,
    body: bytes = b"",
) -> Call:
    """Return a call that a browser on this machine could make; `headers` come beside or instead of its own."""
    lines: list[tuple[str, str]]
    if headers is None or isinstance(headers, Mapping):
        named: dict[str, Any] = {"host": "localhost:7425"} | {k.lower(): v for k, v in (headers or {}).items()}
        lines = list(named.items())
    else:
        lines = list(headers)

    async def read_body() -> bytes:
        return body

    return Call(method, path, lines, query or {}, parts or {}, unix, None if unix else 7425, False, read_body)
