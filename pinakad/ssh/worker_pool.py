"""The login workers of a run: none before the first login, then as many as are needed and allowed."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from pinakad import __version__
from pinakad.config import SshSettings
from pinakad.events import Event, fields
from pinakad.login.key_file import SshKeyError
from pinakad.login.messages import Hello, Settings
from pinakad.ssh.worker_process import WorkerProcess

FULL = 4
"""A worker with so many logins is busy: another one is started, if that is allowed."""
MOST_BY_ITSELF = 8
"""What these can log in, 2,000 a second, no network of nodes needs; and each takes 40 MB of the service's memory."""
START_S = 15.0
"""How long the first worker is waited for, on a busy machine."""
EACH = 16
"""One worker is enough for so many nodes: a second one costs a start."""
PROBLEM_S = 5.0
"""How long a worker that could not begin is taken for proof that another one could not either."""
MOST_FAILED_STARTS = 3
"""So many workers in a row that end before they can begin are such a proof, too."""

log = logging.getLogger(__name__)


class NoWorkerError(Exception):
    """No login can be made, for a reason that is no node's; the message says which."""


def open_workers(key: Path, settings: SshSettings, ready_command: str = "") -> "WorkerPool":
    """Return the pool of workers that log in with a key and run a command on each node that is asked for it."""
    number = workers_of(settings.workers)
    return WorkerPool(Settings(__version__, str(key), ready_command, settings.command_timeout_s, number))


def workers_of(setting: int | str) -> int:
    """Return how many workers a setting allows: a number, or `auto`, as many as there are processors, at most eight."""
    return setting if isinstance(setting, int) else min(MOST_BY_ITSELF, len(os.sched_getaffinity(0)))


class WorkerPool:
    """Starts workers, says which one takes the next login, and replaces those that end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._most = settings.workers
        self._loop = asyncio.get_running_loop()
        self._workers: list[WorkerProcess] = []
        self._alone = asyncio.Lock()
        self._problem: Hello | None = None
        self._problem_until_s = 0.0
        self._failed_starts = 0
        self._greeted: asyncio.Future[None] | None = None

    def worker(self) -> WorkerProcess:
        """Return the worker with the fewest logins; one more is started where all are busy.

        Raises NoWorkerError and SshKeyError where none can begin, OSError where the system has no room for the first.
        """
        self._raise_problem()
        best = min(self._workers, key=lambda worker: worker.load, default=None)
        if best is None or (best.load >= FULL and len(self._workers) < self._most):
            try:
                best = self._start()
            except OSError:
                if best is None:
                    raise
        return best

    @asynccontextmanager
    async def worker_alone(self) -> AsyncIterator[WorkerProcess]:
        """Give a worker that has no other login: whoever made another one end may be this one. Raises like worker()."""
        async with self._alone:
            self._raise_problem()
            worker = self._start()
            self._workers.remove(worker)
            try:
                yield worker
            finally:
                worker.close()

    async def start(self, logins: int) -> None:
        """Start what so many logins need, and wait until a worker can begin; where none can, each login says why."""
        with suppress(NoWorkerError, SshKeyError, OSError):
            await self.check_key()
            while len(self._workers) < min(self._most, -(-logins // EACH)):
                self._start()

    async def check_key(self) -> None:
        """Wait until a worker can begin. Raises NoWorkerError, SshKeyError and OSError where none can."""
        try:
            async with asyncio.timeout(START_S):
                while not any(worker.greeted for worker in self._workers):
                    self.worker()
                    self._greeted = self._greeted or self._loop.create_future()
                    await asyncio.shield(self._greeted)
                    self._raise_problem()
        except TimeoutError:
            self.close()
            raise NoWorkerError(f"no login process could begin within {START_S:g} s") from None

    def narrow(self) -> None:
        """Make do with one worker: the system has no room for the threads of a login, and each worker takes one."""
        self._most = 1
        for worker in sorted(self._workers, key=lambda worker: worker.load)[:-1]:
            if not worker.load:
                self._workers.remove(worker)
                worker.close()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()

    def _start(self) -> WorkerProcess:
        worker = WorkerProcess(self._settings, self._on_hello, self._on_end)
        self._workers.append(worker)
        return worker

    def _raise_problem(self) -> None:
        if self._problem is None or self._loop.time() >= self._problem_until_s:
            return
        raise (SshKeyError if self._problem.is_key else NoWorkerError)(self._problem.problem)

    def _on_hello(self, _: WorkerProcess, hello: Hello) -> None:
        self._failed_starts = 0
        self._note_problem(hello if hello.problem else None)
        self._wake()

    def _on_end(self, worker: WorkerProcess) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        if not worker.greeted:
            self._failed_starts += 1
        if self._failed_starts >= MOST_FAILED_STARTS:
            self._note_problem(Hello(f"a login process cannot begin: {worker.how_ended}", is_key=False))
        if self._problem is None:
            text = "a login process has ended: %s; what it was at is tried again"
            log.warning(text, worker.how_ended, extra=fields(Event.LOGIN_PROCESS))
        self._wake()

    def _note_problem(self, problem: Hello | None) -> None:
        self._problem, self._problem_until_s = problem, self._loop.time() + PROBLEM_S

    def _wake(self) -> None:
        if self._greeted is not None:
            self._greeted.set_result(None)
            self._greeted = None
