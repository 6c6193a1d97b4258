"""What happened in deployments: the history, a report, its nodes, the script's output, and what differs in two."""

import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from pinakad.client.lookup import known_ids, load
from pinakad.linux.files import NotRegularError, open_regular
from pinakad.polling.vocabulary import NodeState
from pinakad.report.node import NodeReport
from pinakad.report.overview import Overview
from pinakad.report.pieces import taken_apart
from pinakad.script.output import LOG
from pinakad.state.store import Store
from pinakad.state.summaries import summary_of
from pinakad.web.comparison import compared
from pinakad.web.exchange import JSON, TEXT, Answer, Call, Refused, answer_of
from pinakad.web.live import Nodes, node_json, read_report, summary_document
from pinakad.web.rates import retry_after
from pinakad.web.site import Site, in_thread, number_in
from pinakad.web.stream import MOST_STREAMS, log_pieces

MOST_LISTED = 500
MOST_NODES = 100_000
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
_ORDER = {NodeState.FAILED: 0, NodeState.WAITING: 1, NodeState.UP: 2}


class Deployments:
    """The handlers of `/deployments`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def history(self, call: Call) -> Answer:
        """List the deployments, the newest first."""
        limit = max(1, number_in(call, "limit", 50, MOST_LISTED))
        return answer_of(await in_thread(_history, self._site.store, call.query.get("before"), limit))

    async def report(self, call: Call) -> Answer:
        """Return one report, whole."""
        identifier = await self._site.deployment_id(call)
        return Answer(200, await in_thread(_read, self._site.store, identifier), JSON)

    async def summary(self, call: Call) -> Answer:
        """Return one report without its nodes."""
        identifier = await self._site.deployment_id(call)
        return answer_of(await in_thread(_summary, self._site.store, identifier))

    async def nodes(self, call: Call) -> Answer:
        """List the nodes of a deployment, those that failed first."""
        identifier = await self._site.deployment_id(call)
        limit, after = number_in(call, "limit", 1000, MOST_NODES), number_in(call, "after", 0, MOST_NODES)
        state, reason, text = (call.query.get(name, "") for name in ("state", "reason", "q"))
        if state and state not in list(NodeState):
            raise Refused(400, "bad_request", f"state={state[:50]} must be one of {', '.join(NodeState)}")
        nodes = await self._nodes_of(identifier)
        chosen = await in_thread(_chosen, nodes.nodes, state, reason, text.lower())
        shown = chosen[after : after + limit]
        following = after + limit if after + limit < len(chosen) else None
        entries = await in_thread(_entries, nodes, shown, brief="brief" in call.query)
        head = b'{"deployment":"%s","total":%d,"matching":%d,"next":%s,"nodes":[' % (
            identifier.encode(),
            len(nodes.nodes),
            len(chosen),
            b"null" if following is None else b"%d" % following,
        )
        return Answer(200, head + b",".join(entries) + b"]}\n", JSON)

    async def compare(self, call: Call) -> Answer:
        """Tell what differs in two deployments."""
        one, other = await self._site.deployment_id(call), await self._site.deployment_id(call, "other")
        reports = [await in_thread(load, self._site.store, identifier) for identifier in (one, other)]
        return answer_of(compared(*reports))

    async def log(self, call: Call) -> Answer:
        """Return the script's output: all of it, a range of its bytes, or (`follow`) what will be written, too."""
        identifier = await self._site.deployment_id(call)
        log = _Log(self._site.store, identifier)
        size = await in_thread(log.size)
        first, last = _range(call.header("range"), size)
        headers = {"Accept-Ranges": "bytes"}
        if "follow" in call.query:
            hub = self._site.hub
            if hub.streams >= MOST_STREAMS:
                raise Refused(503, "too_many", f"{MOST_STREAMS} streams are open", retry_after(5))
            return Answer(200, log_pieces(hub, identifier, log.read, first or 0), TEXT, headers)
        if first is None:
            return Answer(200, log.pieces(0, size), TEXT, headers | {"Content-Length": str(size)})
        headers |= {"Content-Range": f"bytes {first}-{last}/{size}", "Content-Length": str(last - first + 1)}
        return Answer(206, log.pieces(first, last + 1), TEXT, headers)

    async def _nodes_of(self, identifier: str) -> Nodes:
        view = await self._site.hub.refresh()
        if view.report is not None and view.report.id == identifier:
            return view.nodes
        return await in_thread(_nodes, self._site.store, identifier)


class _Log:
    """The script's output of one deployment. Its file is made by root, in a folder of the daemon's."""

    def __init__(self, store: Store, identifier: str) -> None:
        self._path = store.folder(identifier) / LOG

    def size(self) -> int:
        """Return how many bytes there are. Raises Refused (404) where there is no output that can be read."""
        descriptor = self._open()
        try:
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)

    def read(self, offset: int, limit: int = _CHUNK) -> bytes:
        """Return some bytes from `offset` on, none at the end."""
        descriptor = self._open()
        try:
            return os.pread(descriptor, limit, offset)
        finally:
            os.close(descriptor)

    async def pieces(self, first: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `first` to before `end`."""
        while first < end and (piece := await in_thread(self.read, first, min(_CHUNK, end - first))):
            first += len(piece)
            yield piece

    def _open(self) -> int:
        try:
            return open_regular(self._path)
        except FileNotFoundError:
            text = "the script of this deployment has no output here: it was not started, or its output goes elsewhere"
            raise Refused(404, "no_log", text) from None
        except (OSError, NotRegularError):
            raise Refused(403, "no_log", "the script's output cannot be read by the front door's account") from None


def _range(text: str | None, size: int) -> tuple[int | None, int]:
    """Return the first and the last byte of a Range header (RFC 9110, 14.2), None for all. Raises Refused (416)."""
    match = _RANGE.fullmatch(text.strip()) if text else None
    if match is None:
        return None, size - 1
    first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
    if first > last:
        message = f"there are {size} bytes: nothing begins at {first}"
        raise Refused(416, "no_such_range", message, {"Content-Range": f"bytes */{size}"})
    return first, last


def _history(store: Store, before: str | None, limit: int) -> dict[str, Any]:
    known = known_ids(store)
    older = known[: known.index(before)] if before in known else known
    shown = older[-limit:]
    following = shown[0] if len(shown) < len(older) else None
    return {"deployments": [_line(store, identifier) for identifier in reversed(shown)], "next": following}


def _line(store: Store, identifier: str) -> dict[str, Any]:
    found = summary_of(store.folder(identifier) / "report.json")
    if found is None:
        return {"id": identifier, "unreadable": "its report cannot be read"}
    return found.model_dump(mode="json", by_alias=True)


def _read(store: Store, identifier: str) -> bytes:
    try:
        return read_report(store, identifier)
    except (OSError, NotRegularError):
        raise Refused(410, "unreadable", f"the report of {identifier} cannot be read") from None


def _summary(store: Store, identifier: str) -> dict[str, Any]:
    report = load(store, identifier)
    return summary_document(store, report, Overview(report.nodes))


def _nodes(store: Store, identifier: str) -> Nodes:
    try:
        return Nodes.of(taken_apart(_read(store, identifier), 1)[1])
    except ValueError:
        raise Refused(410, "unreadable", f"the report of {identifier} is not of this version's form") from None


def _chosen(nodes: Sequence[NodeReport], state: str, reason: str, text: str) -> list[int]:
    found = [index for index, node in enumerate(nodes) if _matches(node, state, reason, text)]
    return sorted(found, key=lambda index: (_ORDER[nodes[index].state], nodes[index].reason or "", index))


def _matches(node: NodeReport, state: str, reason: str, text: str) -> bool:
    return (
        (not state or node.state == state)
        and (not reason or (node.reason or "not_asked") == reason)
        and (not text or any(text in value.lower() for value in (node.hostname, node.address, node.file)))
    )


def _entries(nodes: Nodes, indexes: Sequence[int], *, brief: bool) -> list[bytes]:
    return list(_brief(nodes, indexes)) if brief else [node_json(index, nodes.entries[index]) for index in indexes]


def _brief(nodes: Nodes, indexes: Sequence[int]) -> Iterator[bytes]:
    for index in indexes:
        text = nodes.nodes[index].model_dump_json(exclude_none=True, ensure_ascii=True).encode()
        yield b'{"index":%d,' % index + text[1:]
