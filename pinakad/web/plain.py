"""What programs ask: is it alive, what is going on in one line, what do reasons mean, what form has a document?"""

from collections.abc import Mapping
from importlib.resources import files

from pinakad.polling.vocabulary import NodeReason
from pinakad.report.remedies import OF_DEPLOYMENTS, OF_NODES, Remedy
from pinakad.report.vocabulary import Reason
from pinakad.web.exchange import JSON, TEXT, Answer, Call, Refused, answer_of
from pinakad.web.site import Site
from pinakad.web.stream import open_stream

SCHEMAS = ("node_file.json", "report.json", "request.json")
OPENAPI = "openapi.json"


class Plain:
    """The handlers that need nothing of a deployment but its state."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def status(self, call: Call) -> Answer:  # noqa: ARG002 - every handler has the call
        """Return what is going on, without the nodes."""
        hub = self._site.hub
        await hub.refresh()
        return answer_of({**hub.daemon, "deployment": hub.deployment})

    async def status_line(self, call: Call) -> Answer:  # noqa: ARG002 - the same
        """Return what is going on, in one line."""
        await self._site.hub.refresh()
        running = "" if self._site.hub.daemon["running"] else "no daemon runs; "
        return Answer(200, f"{running}{self._site.hub.daemon['line']}\n".encode(), TEXT)

    async def events(self, call: Call) -> Answer:
        """Return the live events."""
        pieces = open_stream(self._site.hub, call.header("last-event-id"))
        return Answer(200, pieces, "text/event-stream", {"X-Accel-Buffering": "no"})


async def alive(call: Call) -> Answer:  # noqa: ARG001 - every handler has the call
    """Tell that this process answers."""
    return Answer(200, b"ok\n", TEXT)


async def reasons(call: Call) -> Answer:  # noqa: ARG001 - the same
    """Return why it is so and what to do, for every reason."""
    return answer_of({"nodes": _explained(OF_NODES), "deployments": _explained(OF_DEPLOYMENTS)})


def _explained(table: Mapping[NodeReason, Remedy] | Mapping[Reason, Remedy]) -> dict[str, dict[str, str]]:
    return {str(reason): remedy._asdict() for reason, remedy in table.items()}


async def schema(call: Call) -> Answer:
    """Return a JSON Schema."""
    name = call.parts["name"]
    if name not in SCHEMAS:
        raise Refused(404, "not_found", f"there is no schema '{name[:100]}'; there are {', '.join(SCHEMAS)}")
    return _shipped(name)


async def openapi(call: Call) -> Answer:  # noqa: ARG001 - every handler has the call
    """Return the description of this interface."""
    return _shipped(OPENAPI)


def _shipped(name: str) -> Answer:
    return Answer(200, (files("pinakad") / "schemas" / name).read_bytes(), JSON)
