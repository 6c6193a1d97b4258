"""Every path of the interface: who answers it, what it is for, and what it takes and gives, by name of the model.

The OpenAPI document is made from this table (generate/openapi.py), and the routes are.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pinakad.web.asgi import Endpoint
from pinakad.web.compat import Compat
from pinakad.web.deployments import Deployments
from pinakad.web.exchange import Handler
from pinakad.web.gate import Gate
from pinakad.web.nodes import Nodes
from pinakad.web.orders import Orders
from pinakad.web.plain import Plain, alive, openapi, reasons, schema
from pinakad.web.session import Session
from pinakad.web.site import Site
from pinakad.web.static import page_files

API = "/api/v1"


class Row(NamedTuple):
    """One method of one path below `/api/v1`. `refusals`: which statuses it has besides those of the gate.

    `takes` and `gives` name models of documents.py; `kind` is the content type of what it gives where that is no JSON.
    """

    name: str
    method: str
    path: str
    about: str
    takes: str | None = None
    gives: str | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()
    query: tuple[str, ...] = ()
    kind: str = "application/json"
    is_open: bool = False


_TEXT, _STREAM = "text/plain; charset=utf-8", "text/event-stream"
_ID = (404, 410)

TABLE = (
    Row("alive", "GET", "/healthz", "Is the process alive?", kind=_TEXT, is_open=True),
    Row("status", "GET", "/status", "What is going on, without the nodes.", gives="StatusDocument"),
    Row("status_line", "GET", "/status.txt", "What is going on, in one line.", kind=_TEXT),
    Row("events", "GET", "/events", "What changes, as it changes (Server-Sent Events).", kind=_STREAM),
    Row("reasons", "GET", "/reasons", "Why it is so and what to do, for each reason.", gives="ReasonsDocument"),
    Row(
        "history", "GET", "/deployments", "The deployments, the newest first.", gives="HistoryDocument",
        refusals=(400,), query=("limit", "before"),
    ),
    Row(
        "deploy", "POST", "/deployments", "Store nodes and ask for their deployment: all of it, or nothing.",
        takes="Order", gives="AskedDocument", status=201, refusals=(400, 409, 422, 429),
    ),
    Row("report", "GET", "/deployments/{id}", "One report, whole.", gives="Report", refusals=_ID),
    Row(
        "summary", "GET", "/deployments/{id}/summary", "One report without its nodes.",
        gives="DeploymentDocument", refusals=_ID,
    ),
    Row(
        "nodes_of", "GET", "/deployments/{id}/nodes", "The nodes of a deployment, those that failed first.",
        gives="NodesDocument", refusals=(400, *_ID), query=("state", "reason", "q", "after", "limit", "brief"),
    ),
    Row(
        "log", "GET", "/deployments/{id}/log", "What the script has printed: all, a range of bytes, or `follow`.",
        refusals=(403, 416, *_ID), query=("follow",), kind=_TEXT,
    ),
    Row(
        "compare", "GET", "/deployments/{id}/compare/{other}", "What differs in two deployments.",
        gives="ComparisonDocument", refusals=_ID,
    ),
    Row(
        "cancel", "POST", "/deployments/{id}/cancel", "Cancel a deployment.",
        gives="CancellingDocument", status=202, refusals=(404, 409, 429),
    ),
    Row("node_files", "GET", "/nodes", "The node files as they lie there.", gives="NodeFilesDocument"),
    Row("node_file", "GET", "/nodes/{name}", "One node file as it lies there.", gives="AnyDocument", refusals=_ID),
    Row(
        "retire", "POST", "/nodes/{name}/retire", "Move the files of a node aside.",
        gives="RetiredDocument", refusals=(404, 429),
    ),
    Row(
        "validate", "POST", "/validate", "Check nodes; nothing is written.",
        takes="AnyDocument", gives="ValidationDocument", refusals=(400, 422),
    ),
    Row("schema", "GET", "/schema/{name}", "A JSON Schema.", gives="AnyDocument", refusals=(404,)),
    Row("openapi", "GET", "/openapi.json", "This description.", gives="AnyDocument"),
    Row("session", "GET", "/session", "How the caller got in.", gives="SessionDocument"),
    Row(
        "sign_in", "POST", "/session", "Exchange the token for a cookie.", takes="TokenDocument",
        status=204, refusals=(400, 401, 429), is_open=True,
    ),
    Row("sign_out", "DELETE", "/session", "Forget the cookie.", status=204, is_open=True),
)  # fmt: skip


def endpoints(site: Site, gate: Gate) -> Iterator[Endpoint]:
    """Yield every endpoint: those of the table, and the page's files."""
    handlers = _handlers(site, gate)
    for row in TABLE:
        yield Endpoint(row.method, API + row.path, handlers[row.name], row.is_open, gate.origins)
    if site.settings.web.compat.enabled:
        yield from _compat(site)
    for path, handler in page_files().items():
        yield Endpoint("GET", path, handler, is_open=True, origins=frozenset())


def _compat(site: Site) -> Iterator[Endpoint]:
    compat, origins = Compat(site), frozenset(site.settings.web.compat.origins)
    paths: dict[tuple[str, str], Handler] = {
        ("POST", "/store-deployment-configs"): compat.store,
        ("GET", "/node-deployment-progress"): compat.progress,
        ("GET", "/check-ssh-status"): compat.check,
        ("POST", "/poll-ssh-status"): compat.poll,
        ("GET", "/ssh-polling-status"): compat.polling,
        ("POST", "/cleanup-ssh-results"): compat.clean_up,
    }
    for (method, path), handler in paths.items():
        yield Endpoint(method, path, handler, is_open=True, origins=origins)


def _handlers(site: Site, gate: Gate) -> dict[str, Handler]:
    plain, deployments, nodes, orders = Plain(site), Deployments(site), Nodes(site), Orders(site)
    session = Session(gate.credentials)
    return {
        "alive": alive,
        "status": plain.status,
        "status_line": plain.status_line,
        "events": plain.events,
        "reasons": reasons,
        "history": deployments.history,
        "deploy": orders.deploy,
        "report": deployments.report,
        "summary": deployments.summary,
        "nodes_of": deployments.nodes,
        "log": deployments.log,
        "compare": deployments.compare,
        "cancel": orders.cancel,
        "node_files": nodes.list,
        "node_file": nodes.file,
        "retire": nodes.retire,
        "validate": nodes.validate,
        "schema": schema,
        "openapi": openapi,
        "session": session.show,
        "sign_in": session.begin,
        "sign_out": session.end,
    }
