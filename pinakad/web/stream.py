"""The live events: one reader for all streams, and only while somebody listens.

Nothing is queued for a stream: each has seen everything up to a number, and gets what is different since. A slow
reader thus gets fewer and larger events, and never an old one. After a gap it gets `reset`.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from pinakad.polling.vocabulary import NodeState
from pinakad.report.node import NodeReport
from pinakad.web.exchange import Refused, as_json
from pinakad.web.live import NOTHING, Live, Nodes, View, node_json
from pinakad.web.rates import retry_after

CHECK_EVERY_S = 0.25
COMMENT_EVERY_S = 15.0
DAEMON_EVERY_S = 10.0
MANY_NODES = 500
QUIET_EVERY_S = 10.0
"""With many nodes, one more attempt that found the same is shown this often."""
MOST_STREAMS = 32
_KEPT = 100


class _Change(NamedTuple):
    """Which nodes have changed; `quiet`: those that were only asked once more."""

    number: int
    loud: list[int]
    quiet: list[int]


class Hub:
    """What all streams share: the present view, and which nodes have changed since when."""

    def __init__(self, live: Live, ending: asyncio.Event) -> None:
        self.live, self.ending = live, ending
        self.view: View = NOTHING
        self.daemon: dict[str, Any] = {}
        self.deployment: dict[str, Any] | None = None
        self.streams = 0
        self.number = int(time.time() * 1000)  # greater than any of an earlier process, so that no client confuses them
        self._changes: deque[_Change] = deque(maxlen=_KEPT)
        self._begins = self.number
        self._lock = asyncio.Lock()
        self._read_s = float("-inf")

    async def refresh(self, *, max_age_s: float = 0.0) -> View:
        """Read again, unless that was done `max_age_s` ago or later, and return the view."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._read_s >= max_age_s:
                new, self.daemon, self.deployment = await asyncio.to_thread(self._read)
                self._read_s = loop.time()
                if new is not self.view:
                    self._note(self.view, new)
                    self.view = new
        return self.view

    def _read(self) -> tuple[View, dict[str, Any], dict[str, Any] | None]:
        view = self.live.read()
        return view, self.live.status(view), self.live.deployment(view)

    def changed_since(self, number: int) -> tuple[set[int], set[int]] | None:
        """Return the indexes of the nodes that changed after that number, and of those that were only asked again.

        None where that is not known any more, or was never.
        """
        if not self._begins <= number <= self.number:
            return None
        later = [change for change in self._changes if change.number > number]
        loud = {index for change in later for index in change.loud}
        return loud, {index for change in later for index in change.quiet} - loud

    def _note(self, old: View, new: View) -> None:
        self.number += 1
        if _id_of(old) != _id_of(new) or len(old.nodes.nodes) != len(new.nodes.nodes):
            self._changes.clear()
            self._begins = self.number
            return
        if len(self._changes) == _KEPT:
            self._begins = self._changes[0].number
        indexes = new.nodes.changed_since(old.nodes)
        quiet = {index for index in indexes if _is_quiet(old.nodes, new.nodes, index)}
        loud = [index for index in indexes if index not in quiet]
        self._changes.append(_Change(self.number, loud, sorted(quiet)))


def _id_of(view: View) -> str | None:
    return view.report.id if view.report else None


def _is_quiet(old: Nodes, new: Nodes, index: int) -> bool:
    return _shown(old.nodes[index]) == _shown(new.nodes[index])


def _shown(node: NodeReport) -> tuple[object, ...]:
    changes_anyway = node.state is NodeState.UP  # the attempts of one that is up are rare and of interest
    attempts = node.attempts if changes_anyway else None
    facts = node.boot_id_after, node.rebooted, node.reported_hostname, node.stable_count
    return (node.state, node.rung, node.last_rung, node.reason, node.host_key, node.message, attempts, facts)


class Stream:
    """One client's events, from `last_event_id` on where that is known."""

    def __init__(self, hub: Hub, last_event_id: str | None, now_s: Callable[[], float] = time.monotonic) -> None:
        self._hub, self._now_s = hub, now_s
        self._id, _, number = (last_event_id or "").partition("/")
        self._number = int(number) if number.isascii() and number.isdigit() and len(number) < 20 else -1  # noqa: PLR2004 - of 64 bits
        self._quiet: set[int] = set()
        self._quiet_s = self._daemon_s = float("-inf")
        self._sent: dict[str, object] = {}

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the text of the events until the client goes or the process ends (text/event-stream)."""
        self._hub.streams += 1
        spoken_s = self._now_s()
        try:
            yield b"retry: 1000\n\n"
            while not self._hub.ending.is_set():
                text = b"".join([piece async for piece in self._new_events()])
                if text or self._now_s() - spoken_s >= COMMENT_EVERY_S:
                    spoken_s = self._now_s()
                    yield text or b": nothing new\n\n"
                await _wait(self._hub.ending, CHECK_EVERY_S)
        finally:
            self._hub.streams -= 1

    async def _new_events(self) -> AsyncIterator[bytes]:
        view = await self._hub.refresh(max_age_s=CHECK_EVERY_S / 2)
        changed = self._hub.changed_since(self._number) if self._id == (_id_of(view) or "-") else None
        daemon, deployment = self._hub.daemon, self._hub.deployment
        if self._is_new("daemon", {**daemon, "as_of": "", "line": ""}) or self._is_daemon_due():
            self._daemon_s = self._now_s()
            yield self._event("daemon", as_json(daemon))
        size = deployment["log_size"] if deployment else None
        if self._is_new("deployment", {**(deployment or {}), "schedule": None, "log_size": None}):
            yield self._event("deployment", as_json(deployment))
        self._id, self._number = _id_of(view) or "-", self._hub.number
        if changed is None:
            self._quiet.clear()
            yield self._event("reset", as_json({"deployment": _id_of(view)}))
        else:
            for text in self._nodes(view, *changed):
                yield text
        if view.report is not None and self._is_new("log", (view.report.id, size)):
            yield self._event("log", as_json({"deployment": view.report.id, "size": size or 0}))

    def _nodes(self, view: View, loud: set[int], quiet: set[int]) -> list[bytes]:
        self._quiet = (self._quiet | quiet) - loud
        due = len(view.nodes.nodes) <= MANY_NODES or self._now_s() - self._quiet_s >= QUIET_EVERY_S
        chosen = sorted(loud | self._quiet) if due else sorted(loud)
        if due:
            self._quiet_s = self._now_s()
            self._quiet.clear()
        if not chosen or view.report is None:
            return []
        entries = b",".join(node_json(index, view.nodes.entries[index]) for index in chosen)
        return [self._event("nodes", b'{"deployment":"%s","nodes":[%s]}\n' % (view.report.id.encode(), entries))]

    def _event(self, kind: str, data: bytes) -> bytes:
        number = f"{self._id}/{self._number}"
        return b"id: %s\nevent: %s\ndata: %s\n" % (number.encode(), kind.encode(), data)

    def _is_new(self, kind: str, what: object) -> bool:
        if self._sent.get(kind, self) == what:
            return False
        self._sent[kind] = what
        return True

    def _is_daemon_due(self) -> bool:
        return self._now_s() - self._daemon_s >= DAEMON_EVERY_S


def open_stream(hub: Hub, last_event_id: str | None) -> AsyncIterator[bytes]:
    """Return the pieces of a new stream. Raises Refused where there are too many."""
    if hub.streams >= MOST_STREAMS:
        raise Refused(503, "too_many", f"{MOST_STREAMS} streams are open, the most there may be", retry_after(5))
    return Stream(hub, last_event_id).pieces()


async def log_pieces(hub: Hub, identifier: str, read: Callable[[int], bytes], offset: int) -> AsyncIterator[bytes]:
    """Yield the script's output from `offset` on, and what follows, until the deployment is over."""
    hub.streams += 1
    try:
        while not hub.ending.is_set():
            view = await hub.refresh(max_age_s=CHECK_EVERY_S / 2)
            is_over = _id_of(view) != identifier or view.report is None or view.report.is_finished
            while piece := await asyncio.to_thread(read, offset):
                offset += len(piece)
                yield piece
            if is_over:
                return
            await _wait(hub.ending, CHECK_EVERY_S)
    finally:
        hub.streams -= 1


async def _wait(ending: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await ending.wait()
    except TimeoutError:
        return
