"""The gate before everything: is this call meant for us, may its sender make it, and is its body one of ours?

In this order: the Host header (a foreign one means DNS rebinding), the origin of a call that changes something (the
rules of CrossOriginProtection in Go 1.25: https://pkg.go.dev/net/http#CrossOriginProtection), the content type, the
size, then the credentials. No CORS header is sent but to an origin that the configuration names.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from pinakad.tables import WebSettings
from pinakad.web.credentials import Credentials
from pinakad.web.exchange import JSON, Call, Refused

MAX_BODY_BYTES = 8 * 1024 * 1024
_SAFE = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Gate:
    """Lets calls in, or refuses them. `origins`: of pages whose scripts may call, besides our own."""

    def __init__(self, settings: WebSettings, credentials: Credentials) -> None:
        self._hosts = settings.hosts
        self.origins = frozenset(settings.origins)
        self.credentials = credentials

    def require_ours(self, call: Call, origins: frozenset[str]) -> None:
        """Check everything but the credentials. `origins` may change something, too. Raises Refused."""
        self._require_host(call)
        if call.method in _SAFE:
            return
        if not _may_change(call, origins):
            raise Refused(403, "cross_origin", "a page of another site may not call this")
        self._require_body(call)

    def _require_host(self, call: Call) -> None:
        hosts = [value.strip().lower() for value in call.lines("host")]
        if len(hosts) != 1 or not self._is_ours(hosts[0], call):
            named = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
            text = f"'{named[:100]}' is no name of this service; one more is named in [web] hosts"
            raise Refused(421, "wrong_host", text)

    def _is_ours(self, host: str, call: Call) -> bool:
        if host in self._hosts:
            return True
        name, _, port = host.rpartition(":") if not host.endswith("]") and ":" in host else (host, "", "")
        if name not in _LOOPBACK:
            return False
        return call.via_unix or port == str(call.port)  # a tunnel to the socket may begin at any port

    def _require_body(self, call: Call) -> None:
        length = call.header("content-length")
        has_body = call.header("transfer-encoding") is not None or (length is not None and length.strip() != "0")
        kind = (call.header("content-type") or "").partition(";")[0].strip().lower()
        if has_body and kind != JSON:
            raise Refused(415, "wrong_type", f"a body must be {JSON}, not '{kind[:100]}'")
        if length is not None and (not length.strip().isdigit() or int(length) > MAX_BODY_BYTES):
            raise too_large()


def too_large() -> Refused:
    """Return the refusal of a body that is too large."""
    return Refused(413, "too_large", f"a body has {MAX_BODY_BYTES} bytes at most", {"Connection": "close"})


def _may_change(call: Call, origins: frozenset[str]) -> bool:
    origin, site = call.header("origin"), call.header("sec-fetch-site")
    if origin is not None and origin.lower() in origins:
        return True
    if site is not None:
        return site in ("same-origin", "none")
    if origin is None:
        return True  # no browser sends a call that changes something without either
    return urlsplit(origin).netloc.lower() == (call.header("host") or "").strip().lower()


def cors_headers(call: Call, origins: frozenset[str]) -> dict[str, str]:
    """Return the headers that let a page of a named origin read the answer; none for any other."""
    origin = call.header("origin")
    if origin is None or origin.lower() not in origins:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", "Cross-Origin-Resource-Policy": "cross-origin"}


def preflight_headers(call: Call, origins: frozenset[str]) -> dict[str, str]:
    """Return the headers that answer a preflight (https://fetch.spec.whatwg.org) of a named origin."""
    allowed = cors_headers(call, origins)
    if allowed:
        allowed |= {
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "Content-Type, Authorization",
            "Access-Control-Max-Age": "600",
        }
    return allowed
