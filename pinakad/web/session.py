"""The browser's session: a token is exchanged for a cookie."""

import json
from socket import gethostname

from pinakad import __version__
from pinakad.times import rfc3339
from pinakad.web.credentials import Credentials, end_of_cookie
from pinakad.web.exchange import Answer, Call, Refused, answer_of

_MAX_TOKEN = 4096


class Session:
    """The handlers of `/session`."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def show(self, call: Call) -> Answer:
        """Tell how the caller got in, and until when."""
        way, expiry = self._credentials.way_in(call), None
        if way == "cookie":
            expiry = self._credentials.expiry_of(call)
        document = {
            "via": way,
            "expires_at": None if expiry is None else rfc3339(expiry),
            "version": __version__,
            "host": gethostname(),
        }
        return answer_of(document)

    async def begin(self, call: Call) -> Answer:
        """Exchange the token for a cookie."""
        self._credentials.require_right(_token_in(await call.read_body()))
        return Answer(204, content_type=None, headers={"Set-Cookie": self._credentials.new_cookie(is_tls=call.is_tls)})

    async def end(self, call: Call) -> Answer:
        """Forget the cookie."""
        return Answer(204, content_type=None, headers={"Set-Cookie": end_of_cookie(is_tls=call.is_tls)})


def _token_in(body: bytes) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    token = document.get("token") if isinstance(document, dict) else None
    if not isinstance(token, str) or len(token) > _MAX_TOKEN:
        raise Refused(400, "bad_request", 'the body must be {"token": "..."}')
    return token
