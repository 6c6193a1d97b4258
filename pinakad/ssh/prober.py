"""What does one attempt to log in to a node find?

One attempt is one TCP connection: connect and banner (banner.py), then key exchange, login and commands by a login
worker (login_turns.py, login_call.py). Where the worker ends meanwhile, which says nothing of the node, the attempt is
made again, and counts once.
"""

import asyncio
import logging
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pinakad.config import SshSettings
from pinakad.events import Event, fields
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.ssh.banner import Failure, Limits, Reached, reach
from pinakad.ssh.host_keys import HostKeys, name_for
from pinakad.ssh.limiter import Limiter, Permit
from pinakad.ssh.login_call import JudgeOfFacts, LoginCall
from pinakad.ssh.login_turns import LoginTurns, Turn
from pinakad.ssh.own_time import OwnTime
from pinakad.ssh.tcp import Connector
from pinakad.ssh.worker_pool import WorkerPool
from pinakad.ssh.worker_process import WorkerEndedError

BASELINE_S = 2.0
BASELINE_EACH_S = 0.01
TASKS_AT_ONCE = 500
SPARE_DESCRIPTORS = 64
"""Open files that are kept free for all but connections: node files, reports, the journal."""
MOST_TRIES = 3
"""So often an attempt is made whose worker ends: once among others, then with a worker of its own."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in, and whether the last attempt there stalled: then the next one waits behind the others.

    `fingerprints` (SHA256:..., as ssh-keygen -l prints them): the host key must have one of them, if there are any.
    """

    address: str
    port: int
    user: str
    stalled: bool = False
    fingerprints: tuple[str, ...] = ()


def open_host_keys(pinned: Path, settings: SshSettings) -> HostKeys:
    """Return the host keys under the policy of `settings`. Raises SshKeyError where the operator's file is unusable."""
    return HostKeys(pinned, settings.host_keys, settings.known_hosts)


def descriptors_left() -> int:
    """Return how many more connections the limit of open files (getrlimit(2), RLIMIT_NOFILE) allows."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 20
    return max(limit - len(list(Path("/proc/self/fd").iterdir())) - SPARE_DESCRIPTORS, 8)


class Prober:
    """Makes attempts, any number at once: `connections` and the turns of the logins bound what they share.

    `connections` is how many may be open at once; by default as many as `descriptors_left`.
    """

    def __init__(
        self, settings: SshSettings, workers: WorkerPool, host_keys: HostKeys, connections: int | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.host_keys = host_keys
        self.workers = workers
        self._turns = LoginTurns(workers, settings.auth_timeout_s, settings.command_timeout_s)
        self._most_open = connections or descriptors_left()
        self._open = Limiter(self._most_open, self._most_open - self._most_open // 8)
        self._logged_full = False
        self._last_limits = Limits(settings.connect_timeout_s, settings.banner_timeout_s, settings.auth_timeout_s)
        self._connector = Connector(self._loop)
        self._own_time = OwnTime()

    async def attempt(
        self,
        target: Target,
        cut_s: float | None = None,
        *,
        may_run_ready: JudgeOfFacts | None = None,
        on_reached: Callable[[], object] | None = None,
        ended: tuple[WorkerEndedError, ...] = (),
    ) -> AttemptResult:
        """Make one attempt. Connect and banner are cut at `cut_s` (on the loop's clock), and all by their limits.

        `may_run_ready`: run the workers' ready_command, too, where it says so of what the machine has told of itself (a
        result without an end). `on_reached` is called where a server begins the key exchange.
        `ended`: why earlier tries of this attempt ended. The attempt begins after the wait for a free connection. Every
        failure is in the result.
        """
        permit = await self._enter(target)
        began_s = self._loop.time()
        try:
            found = await reach(self._connector, target.address, target.port, self._limits(cut_s))
            if isinstance(found, Failure):
                return AttemptResult(began_s, found.rung, found.reason, found.message, not_made=found.is_ours)
            if on_reached is not None:
                on_reached()
            return await self._log_in(found, target, began_s, may_run_ready, alone=bool(ended))
        except WorkerEndedError as error:
            ended = *ended, error
        finally:
            self._open.leave(permit)
        if len(ended) < MOST_TRIES:
            again = partial(self.attempt, target, cut_s, may_run_ready=may_run_ready)
            return await again(on_reached=on_reached, ended=ended)
        text = f"the login process has ended {MOST_TRIES} times: {ended[-1]}"
        return AttemptResult(began_s, Rung.BANNER, NodeReason.ERROR, text, not_made=ended[-1].by_kill)

    async def baselines(self, targets: Sequence[Target], limit_s: float = BASELINE_S) -> list[AttemptResult]:
        """Make one attempt at each target, all at the same time; the results have the order of `targets`.

        They take `limit_s` at most, and BASELINE_EACH_S more for each target that answers.
        """
        await self.workers.start(len(targets))
        began_s = self._loop.time()
        reached: set[int] = set()
        tasks: list[asyncio.Task[AttemptResult]] = []

        async with asyncio.TaskGroup() as group:
            for index, target in enumerate(targets):
                attempt = self.attempt(target, began_s + limit_s, on_reached=partial(reached.add, index))
                tasks.append(group.create_task(attempt, name="baseline"))
                if index % TASKS_AT_ONCE == TASKS_AT_ONCE - 1:
                    await asyncio.sleep(0)  # a node that refuses is asked by then, and takes no memory any more
            await asyncio.wait(tasks, timeout=limit_s)
            ends_s = began_s + limit_s + BASELINE_EACH_S * len(reached)
            await asyncio.wait(tasks, timeout=max(0.0, ends_s - self._loop.time()))
            for task in tasks:
                task.cancel()
        late = AttemptResult(began_s, None, NodeReason.TIMEOUT, "it did not answer in time")
        return [late if task.cancelled() else task.result() for task in tasks]

    def close(self) -> None:
        """Close the connector and end the workers, with all logins that are under way."""
        self._connector.close()
        self.workers.close()

    async def _log_in(
        self, found: Reached, target: Target, began_s: float, may_run_ready: JudgeOfFacts | None, *, alone: bool
    ) -> AttemptResult:
        name = name_for(target.address, target.port)
        parts = target.user, target.fingerprints, self.host_keys, self._own_time, began_s, may_run_ready
        return await self._turns.run(LoginCall(found.sock, name, *parts), Turn(found.left_s, target.stalled, alone))

    async def _enter(self, target: Target) -> Permit:
        """Wait until one more connection may be open; the first wait is logged."""
        if not self._logged_full and self._open.is_full(behind=target.stalled):
            self._logged_full = True
            text = "only %d connections can be open at once: nodes are asked less often; raise the limit of open files"
            log.warning(text, self._most_open, extra=fields(Event.FEW_DESCRIPTORS))
        return await self._open.enter(behind=target.stalled)

    def _limits(self, cut_s: float | None) -> Limits:
        if cut_s != self._last_limits.cut_s:
            self._last_limits = replace(self._last_limits, cut_s=cut_s)
        return self._last_limits
