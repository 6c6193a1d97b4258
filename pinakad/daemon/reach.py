"""Answers questions whether a login at an address works: one attempt each, beside whatever is deployed.

The law: a question is answered at most once, never for an address outside the networks, and costs no deployment an
attempt: it has a login worker of its own, and nothing that it sees is written down but its answer.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_network
from pathlib import Path

from pinakad.config import Config, readable_key
from pinakad.daemon.question import answer_to, refusal_of
from pinakad.linux.files import write_whole
from pinakad.linux.waiting import wait_until_set
from pinakad.login.key_file import SshKeyError
from pinakad.markers.reach import FORGOTTEN_S, MOST_WAITING, ReachRequest, ReachRequests
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.networks import NodeNetworks, has
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.polling.vocabulary import AttemptResult, NodeReason
from pinakad.printable import cause_of
from pinakad.report.reach import ReachAnswer
from pinakad.ssh.prober import Prober, Target, open_host_keys
from pinakad.ssh.worker_pool import open_workers

FOLDER = "reach"
RESCAN_S = 5.0
EACH_S = 0.25
"""Four questions a second are answered."""
AT_ONCE = 8
ATTEMPT_LIMIT_S = 20.0
HALF_WRITTEN_S = 0.3
IDLE_S = 10.0
"""The login worker is ended after so long without a question."""

log = logging.getLogger(__name__)


class ReachLoop:
    """The loop over the questions of one marker folder. `woken` asks for a check now."""

    def __init__(
        self, markers: Path, runtime_dir: Path, known_hosts: Path, nodes: NodesFolder, config: Callable[[], Config]
    ) -> None:
        self.woken = asyncio.Event()
        self._requests = ReachRequests(markers)
        self._answers = runtime_dir / FOLDER
        self._known_hosts = known_hosts
        self._nodes, self._networks = nodes, NodeNetworks()
        self._config = config
        self._prober: Prober | None = None
        self._running: set[str] = set()
        self._answered: set[str] = set()
        self._used_s = self._next_s = 0.0

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Answer for ever."""
        try:
            while True:
                self.woken.clear()
                wait_s = RESCAN_S
                with suppress(OSError):  # the marker folder is away, which the marker loop reports
                    wait_s = await self._check(group)
                self._close_when_idle()
                await wait_until_set(self.woken, wait_s)
        finally:
            self._close()

    async def _check(self, group: asyncio.TaskGroup) -> float:
        """Begin with the next question; return the seconds until the next check."""
        self._remove_old()
        if not self._requests.are_there():
            return RESCAN_S
        found = await asyncio.to_thread(self._requests.waiting, time.time())
        self._answered &= {request.token for request in found}  # what cannot be removed is not answered again
        new = [request for request in found if request.token not in self._answered | self._running]
        for request in new[MOST_WAITING:]:
            self._answer(refusal_of(request, "too_many", f"{MOST_WAITING} questions wait already; ask later"), request)
        waiting = [request for request in new[:MOST_WAITING] if not _may_be_half_written(request)]
        if not waiting or len(self._running) >= AT_ONCE:
            return HALF_WRITTEN_S if new else RESCAN_S
        now_s = asyncio.get_running_loop().time()
        if now_s < self._next_s:
            return self._next_s - now_s
        self._next_s = now_s + EACH_S
        self._running.add(waiting[0].token)
        group.create_task(self._serve(waiting[0]), name="reach")
        return EACH_S if len(waiting) > 1 else RESCAN_S

    async def _serve(self, request: ReachRequest) -> None:
        try:
            answer = await self._answer_to(request)
        except Exception:  # whatever it is, the daemon lives on
            log.exception("cannot answer a question for an address")
            answer = answer_to(request, _failed("a bug in pinakad; its log tells more"))
        self._answer(answer, request)
        self._running.discard(request.token)
        self.woken.set()

    async def _answer_to(self, request: ReachRequest) -> ReachAnswer:
        if request.document is None:
            return refusal_of(request, "invalid", request.problem)
        files = await asyncio.to_thread(self._files)
        if not await asyncio.to_thread(self._is_inside, request.document.address, files):
            text = f"{request.document.address} is in none of the networks that may be asked, see [ssh] reach_networks"
            return refusal_of(request, "outside", text)
        return answer_to(request, await self._attempt(self._target(request, files)))

    async def _attempt(self, target: Target) -> AttemptResult:
        self._used_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(ATTEMPT_LIMIT_S):
                prober = self._get()
                prober.host_keys = open_host_keys(self._known_hosts, self._config().ssh)  # what it pins is forgotten
                return await prober.attempt(target)
        except TimeoutError:
            return _failed(f"there was no answer within {ATTEMPT_LIMIT_S:g} s", NodeReason.TIMEOUT)
        except (SshKeyError, OSError) as error:
            return _failed(cause_of(error) if isinstance(error, OSError) else str(error))

    def _target(self, request: ReachRequest, files: list[ParsedNodeFile]) -> Target:
        """Return where to log in: as the node file says whose address it is, else as the configuration does."""
        assert request.document is not None  # noqa: S101 - asked before
        address, ssh = request.document.address, self._config().ssh
        stated = [file.stated for file in files if file.stated and file.stated.chosen]
        node = next((facts for facts in stated if facts.chosen and facts.chosen[0] == address), None)
        port = request.document.port or (node.port if node else None) or ssh.port
        user = (node.user if node else None) or ssh.user
        return Target(address, port, user, fingerprints=node.fingerprints if node else ())

    def _files(self) -> list[ParsedNodeFile]:
        with suppress(OSError):
            return self._nodes.scan(allow_loopback=self._config().ssh.allow_loopback)
        return []

    def _is_inside(self, address: str, files: list[ParsedNodeFile]) -> bool:
        named = self._config().ssh.reach_networks
        return has(self._networks.of(files) if named is None else map(ip_network, named), address)

    def _answer(self, answer: ReachAnswer, request: ReachRequest) -> None:
        """Write the answer, then remove the question: whoever asked may have gone, and then nobody reads it."""
        try:
            self._answers.mkdir(mode=0o755, exist_ok=True)
            text = answer.model_dump_json(by_alias=True).encode() + b"\n"
            write_whole(self._answers / f"{request.token}.json", text, 0o644, durable=False)
        except OSError as error:
            log.warning("cannot answer a question for an address: %s", cause_of(error))
        self._answered.add(request.token)
        self._requests.remove(request.token)

    def _remove_old(self) -> None:
        with suppress(FileNotFoundError):
            for path in self._answers.iterdir():
                if time.time() - path.lstat().st_mtime > FORGOTTEN_S:
                    path.unlink()

    def _get(self) -> Prober:
        if self._prober is None:
            config = self._config()
            workers = open_workers(readable_key(config), config.ssh)
            self._prober = Prober(config.ssh, workers, open_host_keys(self._known_hosts, config.ssh))
        return self._prober

    def _close_when_idle(self) -> None:
        if not self._running and asyncio.get_running_loop().time() - self._used_s > IDLE_S:
            self._close()

    def _close(self) -> None:
        if self._prober is not None:
            self._prober.close()
            self._prober = None


def _may_be_half_written(request: ReachRequest) -> bool:
    """Return whether a question that is none may be one soon: a shell's `>` shows an empty file first."""
    return request.document is None and abs(time.time() - request.asked_wall_s) < HALF_WRITTEN_S


def _failed(message: str, reason: NodeReason = NodeReason.ERROR) -> AttemptResult:
    return AttemptResult(0.0, None, reason, message)
