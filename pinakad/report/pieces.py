"""The document in pieces: with ten thousand nodes it is 8 MB, which nobody should hold in memory, nor make in one step.

A document is dumped without its nodes; the entries of the nodes are dumped a few at a time, and put in their place.
"""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import TypeAdapter

from pinakad.report.document import Report, Status
from pinakad.report.node import NodeReport

NODES_A_PIECE = 100
"""How many nodes are dumped at a time: that takes about a millisecond."""
_NODES = TypeAdapter(list[NodeReport])


def entries_of(nodes: Sequence[NodeReport]) -> bytes:
    """Return the entries of some nodes, one at least, as they are in a list that is not indented."""
    text = _NODES.dump_json(list(nodes), by_alias=True, indent=1, ensure_ascii=True)
    return text.removeprefix(b"[\n").removesuffix(b"\n]")


class Frame:
    """A document around the entries of its nodes. Every piece is a part of its text, in their order."""

    def __init__(self, without_nodes: bytes, depth: int) -> None:
        """`depth`: how many objects the list of the nodes is in; so far the text is indented."""
        self._begin, _, self._end = without_nodes.partition(b"\n" + b" " * depth + b'"nodes": []')
        self._key = b"\n" + b" " * depth + b'"nodes": ['
        self._newline = b"\n" + b" " * depth
        self._is_empty = True

    def begin(self) -> bytes:
        """Return what is before the entries."""
        return self._begin + self._key

    def put(self, entries: bytes) -> bytes:
        """Return the next entries, as entries_of gives them, where they belong in this document."""
        before = b"" if self._is_empty else b","
        self._is_empty = False
        return before + self._newline + entries.replace(b"\n", self._newline)

    def end(self) -> bytes:
        """Return what is behind the entries."""
        return (b"]" if self._is_empty else self._newline + b"]") + self._end


def report_frame(report: Report) -> Frame:
    """Return the report's document around its nodes."""
    return Frame(report.but(nodes=[]).json_text(), 1)


def status_frame(status: Status) -> Frame:
    """Return status.json around the nodes of its deployment, which must be there."""
    deployment = status.deployment and status.deployment.but(nodes=[])
    return Frame(status.model_copy(update={"deployment": deployment}).json_text(), 2)


def report_pieces(report: Report) -> Iterator[bytes]:
    """Yield the text of a report: the same as its `json_text`."""
    yield from _pieces(report_frame(report), report.nodes)


def status_pieces(status: Status) -> Iterator[bytes]:
    """Yield the text of status.json: the same as its `json_text`."""
    if status.deployment is None:
        yield status.json_text()
    else:
        yield from _pieces(status_frame(status), status.deployment.nodes)


def batches(nodes: Sequence[NodeReport]) -> Iterable[Sequence[NodeReport]]:
    """Return the nodes, NODES_A_PIECE at a time."""
    return (nodes[start : start + NODES_A_PIECE] for start in range(0, len(nodes), NODES_A_PIECE))


def _pieces(frame: Frame, nodes: Sequence[NodeReport]) -> Iterator[bytes]:
    yield frame.begin()
    for batch in batches(nodes):
        yield frame.put(entries_of(batch))
    yield frame.end()


def taken_apart(text: bytes, depth: int) -> tuple[bytes, list[bytes]]:
    """Return a document without the entries of its nodes, and these entries: what a Frame has put together.

    `depth`: how many objects the list of the nodes is in. Each entry is the JSON text of one node. Raises ValueError
    where the text is not of this form.
    """
    indent = b"\n" + b" " * depth
    begin, found, rest = text.partition(indent + b'"nodes": [' + indent + b" {")
    if not found:
        if indent + b'"nodes": []' not in text and b'\n "deployment": null' not in text:
            raise ValueError("the document has no nodes where they belong")
        return text, []
    entries, found, end = rest.partition(indent + b"]")
    if not found:
        raise ValueError("the list of the nodes has no end")
    return begin + indent + b'"nodes": []' + end, [b"{" + entry for entry in entries.split(b"," + indent + b" {")]
