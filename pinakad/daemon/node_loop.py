"""Checks the node files as they arrive: a broken one is reported long before it is needed."""

import asyncio
import logging
from collections.abc import Callable

from pinakad.linux.waiting import wait_until_set
from pinakad.nodes.folder import NodesFolder

log = logging.getLogger(__name__)

RESCAN_S = 30.0
QUIET_S = 0.2
"""After an event so long is waited: files come in groups."""


class NodeLoop:
    """The loop over the node files. `woken` asks for a check now; `allow_loopback()` is the setting in force."""

    def __init__(self, nodes: NodesFolder, allow_loopback: Callable[[], bool]) -> None:
        self.woken = asyncio.Event()
        self._nodes = nodes
        self._allow_loopback = allow_loopback

    async def run(self) -> None:
        """Check again and again, for ever."""
        while True:
            self.woken.clear()
            try:
                await asyncio.to_thread(self._nodes.scan, allow_loopback=self._allow_loopback())
                self._nodes.log_problems()
            except OSError as error:
                log.debug("cannot check the node files: %s", error)
            if await wait_until_set(self.woken, RESCAN_S):
                await asyncio.sleep(QUIET_S)
