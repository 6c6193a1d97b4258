"""The node files that lie there, and what new ones would mean."""

from collections.abc import Sequence
from typing import Any

from pinakad.client.access import opened
from pinakad.client.apply import Preview, preview
from pinakad.client.errors import NotStoredError
from pinakad.client.plan import node_files
from pinakad.client.retire import retire_nodes
from pinakad.client.sources import Source, sources_of
from pinakad.config import Config
from pinakad.nodes import strict_json
from pinakad.nodes.node_file import number_of
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.nodes.selection import select_nodes
from pinakad.problems import Problem
from pinakad.times import rfc3339
from pinakad.web.exchange import JSON, Answer, Call, Refused, answer_of
from pinakad.web.gate import MAX_BODY_BYTES
from pinakad.web.site import Site, in_thread

LABEL = "nodes"
"""What problems call the nodes of a body: `nodes[3]` is the third one of a list."""


class Nodes:
    """The handlers of `/nodes` and `/validate`."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def list(self, call: Call) -> Answer:  # noqa: ARG002 - every handler has the call
        """List the node files: which count, which are superseded, what is wrong."""
        return answer_of(await in_thread(_listed, self._site.settings))

    async def file(self, call: Call) -> Answer:
        """Return a node file as it lies there."""
        name = call.parts["name"]
        if number_of(name) is None:
            raise Refused(404, "not_found", f"'{name[:100]}' is no name of a node file, such as node_05.json")
        return await in_thread(_content, self._site.settings, name)

    async def validate(self, call: Call) -> Answer:
        """Check nodes, together with those that lie there. Nothing is written."""
        sources = sources_in_body(await document_in(call))
        try:
            found = await in_thread(preview, self._site.settings, sources)
        except NotStoredError as error:
            return answer_of({"ok": False, "problems": problems_of(error.found, sources), "plan": None})
        problems = problems_of(found.plan.found.problems, sources)
        return answer_of({"ok": True, "problems": problems, "plan": plan_of(found)})

    async def retire(self, call: Call) -> Answer:
        """Move the files of a node aside."""
        self._site.require_pace()
        found = await in_thread(retire_nodes, self._site.settings, [call.parts["name"]], self._site.state_dir)
        return answer_of({"retired": [file.name for file in found.files], "left": found.left})


async def document_in(call: Call) -> Any:
    """Return the JSON document of a body, read as strictly as a node file. Raises Refused (400)."""
    try:
        return strict_json.parse(await call.read_body(), max_bytes=MAX_BODY_BYTES)
    except strict_json.JsonError as error:
        raise Refused(400, "bad_request", f"the body is no JSON: {error}") from None


def sources_in_body(value: Any) -> list[Source]:
    """Return the nodes of a body. Raises NoNodesError."""
    return list(sources_of(LABEL, value))


def problems_of(problems: Sequence[Problem], sources: Sequence[Source]) -> list[dict[str, Any]]:
    """Return the problems, each with the node that it is about: its place in the body, null for any other file."""
    keys = {source.label: source.key if source.key is not None else 0 for source in sources}
    return [{"node": keys.get(problem.file), **problem.model_dump(mode="json")} for problem in problems]


def plan_of(found: Preview) -> list[dict[str, Any]]:
    """Return what each node of a body becomes."""
    nodes = {node.file: node for node in found.plan.found.nodes}
    rows = zip(found.plan.sources, found.names, strict=True)
    return [
        {
            "node": source.key if source.key is not None else 0,
            "file": name,
            "hostname": nodes[source.label].hostname,
            "address": nodes[source.label].address,
            "address_source": nodes[source.label].address_source,
            "supersedes": found.plan.replaced[source.label],
        }
        for source, name in rows
    ]


def _listed(settings: Config) -> dict[str, Any]:
    with opened(settings.nodes_dir) as folder:
        files = sorted(node_files(settings, folder), key=lambda file: file.key)
        found = select_nodes(files, ssh_port=settings.ssh.port)
        times = {file.name: folder.status(file.name) for file in files}
    by, problems = {entry.file: entry.by for entry in found.superseded}, _by_file(found.problems)
    rows = [
        {
            **_facts(file),
            "counts": file.name not in by,
            "superseded_by": by.get(file.name),
            "problems": [] if file.name in by else problems.get(file.name, []),
            "modified_at": rfc3339(status.st_mtime) if (status := times[file.name]) else None,
        }
        for file in files
    ]
    return {"folder": str(settings.nodes_dir), "nodes": rows, "problems": problems.get("", [])}


def _by_file(problems: Sequence[Problem]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for problem in problems:
        found.setdefault(problem.file, []).append({"node": None, **problem.model_dump(mode="json")})
    return found


def _facts(file: ParsedNodeFile) -> dict[str, Any]:
    chosen = file.stated.chosen if file.stated else None
    document = _document(file)
    return {
        "file": file.name,
        "hostname": file.hostname,
        "address": chosen[0] if chosen else None,
        "address_source": chosen[1] if chosen else None,
        "roles": _texts(document.get("roles")),
        "disk": _texts(document.get("disk")),
    }


def _document(file: ParsedNodeFile) -> dict[str, Any]:
    try:
        value = strict_json.parse(file.raw)
    except strict_json.JsonError:
        return {}
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _content(settings: Config, name: str) -> Answer:
    with opened(settings.nodes_dir) as folder:
        raw = next((file.raw for file in node_files(settings, folder) if file.name == name), None)
    if raw is None:
        raise Refused(404, "not_found", f"there is no node file '{name}'")
    try:
        strict_json.parse(raw)
    except strict_json.JsonError as error:
        raise Refused(410, "unreadable", f"'{name}' is no JSON: {error}") from None
    return Answer(200, raw, JSON)
