"""Who may call: whoever has the token, by `Authorization: Bearer`, or by a cookie that the token was exchanged for.

Nothing is stored of a session: a cookie is its expiry and an HMAC over it, keyed by the token. It outlives this
process, and dies when the token is changed.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from pinakad.linux.files import NotRegularError, read_regular
from pinakad.web.exchange import Call, Refused
from pinakad.web.rates import Bucket, retry_after

COOKIE = "pinakad_session"
LIFE_S = 7 * 86400
LEAST_TOKEN = 32
"""Characters: of 64 kinds, which is 192 bits."""
_MAX_TOKEN_BYTES = 4096
_TOKEN = re.compile(rb"[A-Za-z0-9_-]{%d,}" % LEAST_TOKEN)
_WRONG_TOKENS, _WRONG_EACH_S = 5, 12.0  # five at once, five a minute


class Credentials:
    """Checks tokens and cookies against the token file, which is read at each check: a change counts at once."""

    def __init__(
        self,
        token_file: Path,
        wall_s: Callable[[], float] = time.time,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._wall_s = token_file, wall_s
        self._wrong = Bucket(_WRONG_TOKENS, _WRONG_EACH_S, now_s)

    def way_in(self, call: Call) -> str:
        """Return how a call got in: `unix`, `bearer` or `cookie`. Raises Refused (401, 429)."""
        if call.via_unix:
            return "unix"
        given = call.header("authorization")
        if given is not None:
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer":
                raise _refused("no_token", "the credentials must be `Authorization: Bearer TOKEN`")
            self.require_right(token.strip())
            return "bearer"
        if self.expiry_of(call) is None:
            raise _refused("no_token", "a token is needed: pinakactl web url prints the address with it")
        return "cookie"

    def require_right(self, token: str) -> None:
        """Check a token. Raises Refused: 401, and 429 where too many wrong ones came.

        The right one is let in all the same: nobody who only guesses can lock others out, and 192 bits are not guessed.
        """
        if hmac.compare_digest(token.encode("utf-8", "replace"), self._token()):
            return
        wait_s = self._wrong.take()
        if wait_s:
            raise Refused(429, "too_many", "too many wrong tokens; try again later", retry_after(wait_s))
        raise _refused("wrong_token", "the token is wrong; pinakactl web url prints the right one")

    def new_cookie(self, *, is_tls: bool) -> str:
        """Return the Set-Cookie header of a new session."""
        expiry = str(int(self._wall_s()) + LIFE_S)
        return _set_cookie(f"{expiry}.{self._signature(expiry)}", LIFE_S, is_tls=is_tls)

    def expiry_of(self, call: Call) -> int | None:
        """Return when the session of a call's cookie ends (seconds since 1970), None where there is no sound one."""
        for line in call.lines("cookie"):
            try:
                found = SimpleCookie(line).get(COOKIE)
            except CookieError:
                continue
            expiry, _, signature = (found.value if found else "").partition(".")
            if not (expiry.isascii() and expiry.isdigit()) or len(expiry) > len(str(1 << 63)):
                continue
            genuine = hmac.compare_digest(signature.encode(), self._signature(expiry).encode())
            if genuine and self._wall_s() < int(expiry):
                return int(expiry)
        return None

    def _signature(self, expiry: str) -> str:
        return hmac.new(self._token(), b"pinakad-web session until " + expiry.encode(), hashlib.sha256).hexdigest()

    def _token(self) -> bytes:
        """Return the token. Raises Refused (503) where there is none that can be used: then nobody gets in."""
        try:
            token = read_regular(self._file, _MAX_TOKEN_BYTES).strip()
        except (OSError, NotRegularError):
            token = b""
        if not _TOKEN.fullmatch(token):
            text = f"there is no token in '{self._file}'; pinakactl web token --rotate makes one"
            raise Refused(503, "no_token_file", text)
        return token


def end_of_cookie(*, is_tls: bool) -> str:
    """Return the Set-Cookie header that ends a session in the browser."""
    return _set_cookie("", 0, is_tls=is_tls)


def _set_cookie(value: str, age_s: int, *, is_tls: bool) -> str:
    secure = "; Secure" if is_tls else ""
    return f"{COOKIE}={value}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Strict{secure}"


def _refused(code: str, message: str) -> Refused:
    return Refused(401, code, message, {"WWW-Authenticate": 'Bearer realm="pinakad"'})
