"""Carries calls to their handlers by ASGI; the only importer of starlette.

Every call passes the gate first. What goes wrong in a handler is a problem document, and the process lives on.
"""

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from email.utils import formatdate
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as StarletteRoute

from pinakad.client.errors import ClientError
from pinakad.printable import cause_of, printable
from pinakad.web.exchange import Answer, Call, Handler, Refused
from pinakad.web.failures import refusal_of
from pinakad.web.gate import MAX_BODY_BYTES, SECURITY_HEADERS, Gate, cors_headers, preflight_headers, too_large

log = logging.getLogger(__name__)


class Endpoint(NamedTuple):
    """Where a handler is reached. `is_open`: without credentials; `origins`: of pages that may call it."""

    method: str
    path: str
    handler: Handler
    is_open: bool
    origins: frozenset[str]


def application(endpoints: Iterable[Endpoint], gate: Gate) -> Starlette:
    """Return the ASGI application."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        by_path.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    routes = [StarletteRoute(path, _Entrance(methods, gate), name=path) for path, methods in by_path.items()]
    nowhere = _Entrance({}, gate)

    async def not_found(request: Request, _: Exception) -> Response:
        return await nowhere.respond(request)

    return Starlette(routes=routes, exception_handlers={404: not_found, HTTPException: not_found})


class _Entrance:
    """Answers the calls of one path, by their methods."""

    def __init__(self, methods: Mapping[str, Endpoint], gate: Gate) -> None:
        self._methods, self._gate = methods, gate

    async def __call__(self, scope: dict[str, object], receive: Callable, send: Callable) -> None:  # type: ignore[type-arg]
        request = Request(scope, receive, send)
        response = await self.respond(request)
        await response(scope, receive, send)

    async def respond(self, request: Request) -> Response:
        """Return the answer to a call, refusals included."""
        call = _call_of(request)
        method = "GET" if call.method == "HEAD" else call.method
        endpoint = self._methods.get(method)
        named = endpoint or next(iter(self._methods.values()), None)
        origins = named.origins if named else self._gate.origins
        try:
            answer = await self._answer(call, endpoint, origins)
        except Refused as refused:
            answer = refused.answer()
        except ClientError as error:
            answer = refusal_of(error).answer()
        except ClientDisconnect:
            answer = Answer(400)
        except OSError as error:
            where = f"'{error.filename}': " if error.filename else ""
            answer = Refused(503, "unavailable", f"cannot read {where}{cause_of(error)}").answer()
        except Exception:
            log.exception("cannot answer %s %s", printable(call.method), printable(call.path))
            answer = Refused(500, "internal_error", "a bug in pinakad-web; its log tells more").answer()
        return _response(answer, cors_headers(call, origins))

    async def _answer(self, call: Call, endpoint: Endpoint | None, origins: frozenset[str]) -> Answer:
        self._gate.require_ours(call, origins)
        if call.method == "OPTIONS" and self._methods:
            return Answer(204, content_type=None, headers=preflight_headers(call, origins) | self._allow())
        if endpoint is None and self._methods:
            raise Refused(405, "wrong_method", f"this takes {', '.join(self._methods)} only", self._allow())
        if endpoint is None or not endpoint.is_open:
            self._gate.credentials.way_in(call)
        if endpoint is None:
            raise Refused(404, "not_found", f"there is nothing at '{call.path[:200]}'")
        return await endpoint.handler(call)

    def _allow(self) -> dict[str, str]:
        return {"Allow": ", ".join(self._methods)}


def _call_of(request: Request) -> Call:
    server = request.scope.get("server")
    headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in request.scope["headers"]]
    return Call(
        method=request.method,
        path=request.scope["path"],
        headers=headers,
        query=dict(request.query_params),
        parts=dict(request.path_params),
        via_unix=server is not None and server[1] is None,
        port=server[1] if server else None,
        is_tls=request.scope["scheme"] == "https",
        read_body=lambda: _body(request),
    )


async def _body(request: Request) -> bytes:
    """Return the body. Raises Refused where it is too large, however it is sent."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise too_large()
        pieces.append(piece)
    return b"".join(pieces)


def _response(answer: Answer, cors: Mapping[str, str]) -> Response:
    headers = {**SECURITY_HEADERS, "Cache-Control": "no-store", "Date": formatdate(time.time(), usegmt=True)}
    headers |= {**answer.headers, **cors}
    if answer.content_type is not None:
        headers["Content-Type"] = answer.content_type
    if isinstance(answer.body, bytes):
        return Response(answer.body, answer.status, headers)
    return StreamingResponse(_closing(answer.body), answer.status, headers)


async def _closing(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream whose reader has gone is closed at once, and not when it is found by chance."""
    try:
        async for piece in pieces:
            yield piece
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
