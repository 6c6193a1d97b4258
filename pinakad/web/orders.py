"""What is ordered: a deployment of new nodes, of those that lie there, or of those that failed; and a cancellation."""

import os
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from pinakad.client.apply import apply, ask
from pinakad.client.cancel import put_cancel, take_back_cancel
from pinakad.client.errors import (
    NodesUnknownError,
    NoNodesError,
    NothingToRetryError,
    NotOverError,
    NotStoredError,
)
from pinakad.client.lookup import choose_id, latest, load
from pinakad.client.retry import retry
from pinakad.client.submit import new_request_id
from pinakad.markers.names import CANCEL
from pinakad.report.request import MAX_REQUEST_ID, Id
from pinakad.report.vocabulary import Outcome
from pinakad.web.exchange import Answer, Call, Refused, answer_of
from pinakad.web.nodes import document_in, plan_of, problems_of, sources_in_body
from pinakad.web.site import Site, in_thread

NodeFileName = Annotated[str, StringConstraints(pattern=r"^node_[0-9]+\.json$")]
RequestId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_REQUEST_ID)]


class Order(BaseModel):
    """The body of `POST /deployments`: one of nodes, files and retry; none of them means all files that lie there."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nodes: Any = Field(None, description="a node, a list of nodes, or an object of nodes keyed by address")
    files: list[NodeFileName] | None = Field(None, min_length=1)
    retry: Literal["failed", "all"] | None = None
    of: Id | None = Field(None, description="with retry: of which deployment; default the latest one")
    request_id: RequestId | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> "Order":
        if sum(value is not None for value in (self.nodes, self.files, self.retry)) > 1:
            raise ValueError("must have only one of nodes, files and retry")
        if self.of is not None and self.retry is None:
            raise ValueError("of goes with retry")
        return self


class Orders:
    """The handlers that ask the daemon to do something."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def deploy(self, call: Call) -> Answer:
        """Store nodes and ask for their deployment, or ask for that of files that lie there."""
        order = _order_in(await document_in(call))
        request_id = order.request_id or new_request_id("web")
        self._site.require_pace()
        if order.nodes is not None:
            return await self._apply(order.nodes, request_id)
        if order.retry is not None:
            return await self._retry(order, request_id, failed=order.retry == "failed")
        submitted = await in_thread(ask, self._site.settings, order.files, request_id, self._site.state_dir)
        return _asked(request_id, order.files, joined=submitted.joined)

    async def cancel(self, call: Call) -> Answer:
        """Cancel a deployment. To do so again changes nothing."""
        identifier = await self._site.deployment_id(call)
        await in_thread(self._cancel, identifier)
        return answer_of({"deployment": identifier, "cancelling": True}, 202)

    async def _apply(self, nodes: Any, request_id: str) -> Answer:
        try:
            sources = sources_in_body(nodes)
            applied = await in_thread(apply, self._site.settings, sources, request_id, self._site.state_dir)
        except NoNodesError as error:
            raise Refused(422, "invalid_nodes", str(error), problems=[]) from None
        except NotStoredError as error:
            text = f"{error.problems[0]}{_more(len(error.problems))}; nothing was stored"
            raise Refused(422, "invalid_nodes", text, problems=problems_of(error.found, sources)) from None
        return _asked(request_id, applied.names, joined=applied.submitted.joined, plan=plan_of(applied))

    async def _retry(self, order: Order, request_id: str, *, failed: bool) -> Answer:
        site = self._site
        report = await in_thread(lambda: load(site.store, choose_id(site.store, order.of)))
        try:
            retried = await in_thread(retry, site.settings, report, request_id, site.state_dir, failed=failed)
        except (NothingToRetryError, NotOverError, NodesUnknownError) as error:
            raise Refused(409, "conflict", str(error)) from None
        submitted, again = retried.submitted, retried.again
        return _asked(request_id, again.nodes, joined=submitted.joined, left_out=again.gone)

    def _cancel(self, identifier: str) -> None:
        """Put the cancel marker there for this deployment only. Raises Refused (409) where it is over."""
        markers = self._site.settings.markers_dir
        running = latest(self._site.store)
        if running is None or running.id != identifier or running.is_finished:
            raise Refused(409, "finished", f"deployment {identifier} is over: there is nothing to cancel")
        if os.path.lexists(markers / CANCEL):
            return  # asked for already
        self._site.require_pace()
        put_cancel(markers)
        after = latest(self._site.store) or running
        if after.id == identifier and not after.is_finished:
            return
        take_back_cancel(markers)  # it came too late: the next deployment would warn of it
        if after.id != identifier or after.outcome is not Outcome.CANCELLED:
            raise Refused(409, "finished", f"deployment {identifier} has ended meanwhile: nothing was cancelled")


def _order_in(document: Any) -> Order:
    try:
        return Order.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False)[0]
        place = ".".join(map(str, found["loc"])) or "the body"
        rule = found["msg"].removeprefix("Value error, ")
        raise Refused(400, "bad_request", f"{place[:200]}: {rule[0].lower()}{rule[1:]}") from None


def _asked(
    request_id: str, files: list[str] | None, *, joined: bool, plan: Any = None, left_out: list[str] | None = None
) -> Answer:
    document = {
        "request_id": request_id,
        "files": files,
        "joined": joined,
        "plan": plan or [],
        "left_out": left_out or [],
    }
    return answer_of(document, 201)


def _more(number: int) -> str:
    return "" if number == 1 else f", and {number - 1} more problem{'s' if number > 2 else ''}"  # noqa: PLR2004 - two in all
