"""What all handlers stand on: the settings, and the folders of the daemon and of the producers."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from pydantic import TypeAdapter

from pinakad.client.errors import UnknownDeploymentError
from pinakad.client.lookup import choose_id
from pinakad.config import Config
from pinakad.report.request import Id
from pinakad.state.store import Store
from pinakad.web.exchange import Call, Refused
from pinakad.web.live import Live
from pinakad.web.rates import Bucket, retry_after
from pinakad.web.stream import Hub

_P = ParamSpec("_P")
_T = TypeVar("_T")
LATEST = "latest"
_ID = TypeAdapter(Id)


class Site:
    """The folders of one daemon, as the front door sees them. `ending` is set when the process is to end."""

    def __init__(self, settings: Config, state_dir: Path, runtime_dir: Path, ending: asyncio.Event) -> None:
        self.settings, self.state_dir, self.runtime_dir = settings, state_dir, runtime_dir
        self.store = Store(state_dir)
        self.live = Live(settings, self.store, runtime_dir)
        self.hub = Hub(self.live, ending)
        self._orders = Bucket(1, 1.0, asyncio.get_running_loop().time)

    def require_pace(self) -> None:
        """Let one order a second through: storing and cancelling. Raises Refused (429)."""
        wait_s = self._orders.take()
        if wait_s:
            raise Refused(429, "too_many", "one order a second is taken; try again", retry_after(wait_s))

    async def deployment_id(self, call: Call, part: str = "id") -> str:
        """Return the id of the deployment in the path. Raises Refused (404) and ClientError.

        It must be a whole id before it becomes a part of a path.
        """
        text = call.parts[part]
        if text != LATEST and not _is_id(text):
            raise Refused(404, "not_found", f"'{text[:100]}' is no id of a deployment, such as 20261123T212455Z.0001")
        found = await in_thread(choose_id, self.store, None if text == LATEST else text)
        if text not in (LATEST, found):
            raise UnknownDeploymentError(text, self.store.deployments)
        return found


async def in_thread(work: Callable[_P, _T], *values: _P.args, **named: _P.kwargs) -> _T:
    """Do what may block in a thread."""
    return await asyncio.to_thread(work, *values, **named)


def _is_id(text: str) -> bool:
    try:
        _ID.validate_python(text)
    except ValueError:
        return False
    return True


def number_in(call: Call, name: str, default: int, most: int) -> int:
    """Return a number of the query, `default` where there is none. Raises Refused (400)."""
    text = call.query.get(name, str(default))
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(most)) or int(text) > most:
        raise Refused(400, "bad_request", f"{name}={text[:50]} must be a number from 0 to {most}")
    return int(text)
