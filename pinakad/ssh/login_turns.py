"""When does a login begin, and on which worker? It waits for its turn, and for a thread or a process if need be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pinakad.linux.shortage import is_shortage
from pinakad.login.key_file import SshKeyError
from pinakad.login.messages import Ended
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.printable import cause_of
from pinakad.ssh.limiter import Limiter
from pinakad.ssh.login_call import LoginCall
from pinakad.ssh.worker_pool import NoWorkerError, WorkerPool
from pinakad.ssh.worker_process import WorkerProcess

LOGINS = 16
"""How many logins work at once: more than the processors need, and few enough not to get in each other's way."""
SLOW_S = 0.1
"""A login that takes longer waits for its node, and does not count among the logins that work."""
MOST_LOGINS = 256
"""How many logins are under way at once, slow ones included: each costs two threads, 0.1 MB."""
NO_ROOM_S = 0.1
"""The pause before a login that the system had no thread or no process for is tried again."""
KEPT_WAITING_S = 10.0
"""A node whose connection is open for so long before the login begins may rightly end it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """How a login is made: within `left_s` (own time), and after which others.

    `behind`: after all others, because the node hung last time. `alone`: on a worker that has no other login.
    """

    left_s: float
    behind: bool
    alone: bool


class LoginTurns:
    """Gives each login its turn. `wait_s`: how long one waits at most for a thread or a process."""

    def __init__(self, workers: WorkerPool, wait_s: float, command_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._workers = workers
        self._wait_s = wait_s
        self._command_s = command_s
        self._limiter = Limiter(MOST_LOGINS, MOST_LOGINS // 2, LOGINS, SLOW_S)

    async def run(self, call: LoginCall, turn: Turn) -> AttemptResult:
        """Log in, and close the socket. The wait for a turn does not count for the limits of the login.

        Raises WorkerEndedError where the worker ended meanwhile.
        """
        came_s = self._loop.time()
        try:
            while True:
                ended, waited_s = await self._make(call, turn, came_s)
                if not ended.no_thread or self._loop.time() - came_s >= self._wait_s:
                    return _if_not_kept_waiting(call.result(ended), waited_s)
                await asyncio.sleep(NO_ROOM_S)
        finally:
            call.sock.close()

    async def _make(self, call: LoginCall, turn: Turn, came_s: float) -> tuple[Ended, float]:
        """Make the login in its turn; return its end (`no_thread`: it could not begin), and how long it had waited."""
        permit = await self._limiter.enter(behind=turn.behind)
        waited_s = self._loop.time() - came_s
        future: asyncio.Future[Ended] | None = None
        try:
            async with self._worker(alone=turn.alone) as worker:
                future = call.begin(worker, turn.left_s, self._command_s)
                future.add_done_callback(lambda _: self._limiter.leave(permit))
                ended = await asyncio.shield(future)
        except (NoWorkerError, SshKeyError) as error:
            ended = _not_begun(str(error), can_wait=False)
        except OSError as error:
            ended = _not_begun(f"no process is left to log in with: {cause_of(error)}", can_wait=is_shortage(error))
        except asyncio.CancelledError:
            call.cut()
            raise
        finally:
            if future is None:
                self._limiter.leave(permit)
        if ended.no_thread:
            self._limiter.narrow()
            self._workers.narrow()
        elif not ended.lack:
            self._limiter.widen()
        return ended, waited_s

    @asynccontextmanager
    async def _worker(self, *, alone: bool) -> AsyncIterator[WorkerProcess]:
        if alone:
            async with self._workers.worker_alone() as worker:
                yield worker
        else:
            yield self._workers.worker()


def _not_begun(cause: str, *, can_wait: bool) -> Ended:
    return Ended(0, Rung.BANNER, NodeReason.ERROR, cause, lack=True, no_thread=can_wait)


def _if_not_kept_waiting(result: AttemptResult, waited_s: float) -> AttemptResult:
    """Return the result as not made where the node ended a connection on which it had waited for this process.

    sshd does so after its LoginGraceTime (sshd_config(5)).
    """
    gave_up = result.reason is NodeReason.ERROR and result.rung in (Rung.BANNER, Rung.HOST_KEY)
    if waited_s < KEPT_WAITING_S or not gave_up or result.not_made:
        return result
    text = f"it had to wait {waited_s:.0f} s for pinakad: {result.message}"
    return replace(result, message=text, not_made=True)
