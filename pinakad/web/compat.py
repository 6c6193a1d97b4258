"""The endpoints of the back end that an existing front end knows: same shapes, same words, but no false success.

That front end stores an object of nodes keyed by each node's present address, then asks every few seconds whether the
deployment is in progress, and takes the change from true to false for success. So false is only said where the latest
deployment completed and nothing waits; of anything else it hears null, which it ignores, with the reason beside it.
"""

import asyncio
import os
import time
from ipaddress import ip_address, ip_network
from typing import Any

from pinakad.client.access import opened
from pinakad.client.apply import apply
from pinakad.client.errors import ClientError, NotStoredError
from pinakad.client.plan import node_files
from pinakad.client.reach import ask_reach
from pinakad.client.submit import new_request_id
from pinakad.markers.names import REQUEST
from pinakad.nodes import strict_json
from pinakad.nodes.networks import NodeNetworks, has
from pinakad.polling.vocabulary import NodeState
from pinakad.report.node import NodeReport
from pinakad.report.remedies import OF_DEPLOYMENTS
from pinakad.report.vocabulary import Outcome
from pinakad.times import rfc3339
from pinakad.web.exchange import Answer, Call, answer_of
from pinakad.web.gate import MAX_BODY_BYTES
from pinakad.web.live import View
from pinakad.web.nodes import sources_in_body
from pinakad.web.site import Site, in_thread

CHECK_LIMIT_S = 7.0
"""That front end gives up after ten seconds."""
CHECKS_AT_ONCE = 2
_INVALID = {"error": "Invalid data format"}


class Compat:
    """The handlers of these endpoints."""

    def __init__(self, site: Site) -> None:
        self._site, self._settings = site, site.settings.web.compat
        self._checks, self._networks = asyncio.Semaphore(CHECKS_AT_ONCE), NodeNetworks()

    async def store(self, call: Call) -> Answer:
        """Store the nodes and ask for their deployment: all of them, or none."""
        try:
            value = strict_json.parse(await call.read_body(), max_bytes=MAX_BODY_BYTES)
        except strict_json.JsonError:
            return answer_of(_INVALID, 400)
        if not isinstance(value, dict | list) or not value:
            return answer_of(_INVALID, 400)
        self._site.require_pace()
        value = _with_current(value)
        try:
            sources = sources_in_body(value)
            applied = await in_thread(apply, self._site.settings, sources, new_request_id("web"), self._site.state_dir)
        except NotStoredError as error:
            return answer_of(_refusal(value, error), 400)
        except ClientError as error:
            return answer_of({"success": False, "error": str(error), "results": []}, 503)
        rows = zip(sources, applied.names, strict=True)
        results = [{"node": _name(source.key), "file": name, "status": "success"} for source, name in rows]
        marker = str(self._site.settings.markers_dir / REQUEST)
        document = {"results": results, "marker": marker, "deployment_script": "started", "success": True}
        return answer_of(document)

    async def progress(self, call: Call) -> Answer:  # noqa: ARG002 - every handler has the call
        """Tell whether a deployment is in progress: true, false (it completed), or null and why.

        The request goes when its answer is out, and not before. So it is looked for first: where it is not there, what
        is read after that is the verdict of the deployment that served it.
        """
        is_requested = await in_thread(os.path.lexists, self._site.settings.markers_dir / REQUEST)
        view = await self._site.hub.refresh()
        return answer_of(self._progress(view, waits=is_requested or bool(view.daemon and view.daemon.queued)))

    async def check(self, call: Call) -> Answer:
        """Tell whether a login at an address works. An answer comes always, and in time."""
        address = call.query.get("ip", "").strip()
        if not address:
            return answer_of({"error": "Missing IP parameter"}, 400)
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                is_up, message = await self._look(address)
        except TimeoutError:
            is_up, message = False, "there was no answer in time"
        return answer_of(_checked(address, message, is_up=is_up))

    async def poll(self, call: Call) -> Answer:
        """Take addresses to watch: they are watched anyway, so this only says which of them are known."""
        try:
            value = strict_json.parse(await call.read_body(), max_bytes=MAX_BODY_BYTES)
        except strict_json.JsonError:
            return answer_of(_INVALID, 400)
        asked = value.get("ips") if isinstance(value, dict) else None
        addresses = [item for item in asked if isinstance(item, str)] if isinstance(asked, list) else []
        if not addresses:
            return answer_of(_INVALID, 400)
        return answer_of({"success": True, "message": f"polling of {len(addresses)} nodes", "ips": addresses})

    async def polling(self, call: Call) -> Answer:
        """Tell for each node of the latest deployment, or for one address, whether it is up."""
        view = await self._site.hub.refresh()
        wanted = call.query.get("ip", "").strip()
        nodes = [node for node in view.nodes.nodes if wanted in ("", node.address)]
        results = [_checked(node.address, _words(node), is_up=node.state is NodeState.UP) for node in nodes]
        return answer_of({"success": True, "results": results, "in_progress": self._progress(view)["in_progress"]})

    async def clean_up(self, call: Call) -> Answer:  # noqa: ARG002 - every handler has the call
        """Nothing is kept for a client, so there is nothing to remove."""
        return answer_of({"success": True, "message": "there is nothing to remove"})

    def _progress(self, view: View, *, waits: bool = False) -> dict[str, Any]:
        report = view.report
        if waits or (report is not None and not report.is_finished):
            return {"in_progress": True}
        if report is not None and report.outcome is Outcome.COMPLETED:
            return {"in_progress": False}
        if report is None:
            return {"in_progress": None, "outcome": None, "reason": None, "message": "there is no deployment yet"}
        unknown = None if self._settings.after_failure == "unknown" else False
        remedy = f" {OF_DEPLOYMENTS[report.reason].do}" if report.reason else ""
        message = f"{report.message.rstrip('.')}.{remedy}"
        return {"in_progress": unknown, "outcome": report.outcome, "reason": report.reason, "message": message}

    async def _look(self, address: str) -> tuple[bool, str]:
        view = await self._site.hub.refresh()
        node = next((node for node in view.nodes.nodes if node.address == address), None)
        if node is not None:
            return node.state is NodeState.UP, _words(node)
        if not await in_thread(self._is_inside, address):
            return False, "this address is in none of the networks that may be asked, see [web.compat] check_networks"
        async with self._checks:
            site = self._site
            try:
                answer = await in_thread(
                    ask_reach, site.settings, site.state_dir, site.runtime_dir, address, CHECK_LIMIT_S - 1
                )
            except ClientError as error:
                return False, str(error)
        return answer.reached, "the login works" if answer.reached else (answer.message or str(answer.reason))

    def _is_inside(self, address: str) -> bool:
        named = self._settings.check_networks
        if named is not None:
            return has(map(ip_network, named), address)
        with opened(self._site.settings.nodes_dir) as folder:
            return has(self._networks.of(node_files(self._site.settings, folder)), address)


def _with_current(value: Any) -> Any:
    """Keep the key of a node, where it is an address, as the place where the node answers before the deployment."""
    if not isinstance(value, dict):
        return value
    return {key: _placed(key, node) for key, node in value.items()}


def _placed(key: str, node: Any) -> Any:
    ssh = node.get("ssh", {}) if isinstance(node, dict) else None
    if not isinstance(ssh, dict) or "current" in ssh or not _is_address(key) or _has_address(node, key):
        return node
    return {**node, "ssh": {**ssh, "current": key}}


def _has_address(node: dict[str, Any], address: str) -> bool:
    interfaces = node.get("using_interfaces")
    found = interfaces.values() if isinstance(interfaces, dict) else ()
    parts = [part for item in found if isinstance(item, dict) for part in (item, item.get("Properties"))]
    return any(address in (part.get("ip"), part.get("IP_ADDRESS")) for part in parts if isinstance(part, dict))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _refusal(value: Any, error: NotStoredError) -> dict[str, Any]:
    lines = "; ".join(error.problems)
    keys = [str(key) for key in value] if isinstance(value, dict) else [str(place) for place in range(len(value))]
    results = [{"node": key, "status": "error", "error": _of_node(key, error) or "not stored"} for key in keys]
    return {"success": False, "error": f"Nothing was stored: {lines}", "results": results}


def _of_node(key: str, error: NotStoredError) -> str:
    labels = (f"nodes[{key}]", f"nodes[{int(key) + 1}]" if key.isascii() and key.isdigit() else "")
    return "; ".join(problem.line() for problem in error.found if problem.file in labels)


def _name(key: int | str | None) -> str:
    return "0" if key is None else str(key)


def _words(node: NodeReport) -> str:
    if node.state is NodeState.UP:
        return "the node is up"
    return node.message or (str(node.reason) if node.reason else "the node has not been asked yet")


def _checked(address: str, message: str, *, is_up: bool) -> dict[str, Any]:
    return {
        "status": "success" if is_up else "fail",
        "ip": address,
        "message": message,
        "response_timestamp": rfc3339(time.time()),
        "response_validated": True,
    }
