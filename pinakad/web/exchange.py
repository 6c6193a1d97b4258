"""One call and its answer, in words of our own: what handles them knows nothing of the library that carries them."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

JSON, TEXT, PROBLEM = "application/json", "text/plain; charset=utf-8", "application/problem+json"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Header names are in lower case; `headers` has every line, in order.

    `via_unix`: it came in by the unix socket, whose file mode is the authentication. `port`: of the TCP listener.
    """

    method: str
    path: str
    headers: Sequence[tuple[str, str]]
    query: Mapping[str, str]
    parts: Mapping[str, str]
    """The variable parts of the path, by the names of the route."""
    via_unix: bool
    port: int | None
    is_tls: bool
    read_body: Callable[[], Awaitable[bytes]]
    """Reads the whole body. Raises Refused where it is too large."""

    def header(self, name: str) -> str | None:
        """Return the first line of a header, None where there is none."""
        return next((value for key, value in self.headers if key == name), None)

    def lines(self, name: str) -> list[str]:
        """Return all lines of a header."""
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. `body` is whole, or comes in pieces for as long as the stream lasts."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str | None = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Answer]]


class Refused(Exception):  # noqa: N818 - it is an answer, not a fault
    """A call is refused: a problem document (RFC 9457) with a code for programs and a sentence for people."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None, **more: object
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers, self.more = dict(headers or {}), more

    def answer(self) -> Answer:
        """Return the problem document."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "error": self.code,
            "message": self.message,
            **self.more,
        }
        return Answer(self.status, as_json(document), PROBLEM, self.headers)


def as_json(document: object) -> bytes:
    """Return a document as ASCII JSON with a newline at its end."""
    return json.dumps(document, separators=(",", ":"), default=_dumped).encode() + b"\n"


def answer_of(document: BaseModel | object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that is a JSON document."""
    return Answer(status, as_json(document), JSON, dict(headers or {}))


def _dumped(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"cannot be JSON: {type(value).__name__}")
