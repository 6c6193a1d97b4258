"""A login worker crashes, is killed, is stopped: does that cost an attempt at most, and never a node's verdict?"""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path

import pytest
from hostile import Zoo
from machines import free_port
from probing import pool, prober, standing, workers
from site_folders import write_key

from pinakad import __version__
from pinakad.config import SshSettings
from pinakad.linux.clock import boot_id
from pinakad.login.messages import Begin, Ended, Settings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.ssh.key_check import KeyCheck
from pinakad.ssh.login_call import GRACE_S, LoginCall
from pinakad.ssh.own_time import OwnTime
from pinakad.ssh.prober import Prober, Target, open_host_keys
from pinakad.ssh.worker_pool import NoWorkerError, WorkerPool, workers_of
from pinakad.ssh.worker_process import WorkerEndedError

ASKED = 8
HEALTHY, HANGS = 1, 100
_networks = count(1)


class Site:
    """ASKED nodes that are up and one that hangs in the command, and a prober for them."""

    def __init__(self, folder: Path) -> None:
        self.settings = SshSettings(allow_loopback=True, auth_timeout_s=20, command_timeout_s=20)
        self.folder = folder
        self._network = f"127.{os.getpid() % 250 + 2}.{next(_networks) % 200 + 30}"
        self._port = free_port()
        numbers = [*range(HEALTHY, HEALTHY + ASKED)]
        kinds = {self.place(number): "healthy" for number in numbers} | {self.place(HANGS): "hangs_in_command"}
        self._zoo = Zoo(kinds)
        write_key(folder / "key.pem")
        self.prober = prober(folder, self.settings)

    def place(self, number: int) -> str:
        return f"{self._network}.{number}:{self._port}"

    async def ask(self, number: int = HEALTHY, asker: Prober | None = None) -> AttemptResult:
        async with asyncio.timeout(60):
            return await (asker or self.prober).attempt(Target(f"{self._network}.{number}", self._port, "root"))

    def close(self) -> None:
        self.prober.close()
        self._zoo.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()
    assert workers() == [], "no worker, and no zombie of one, is left"


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110 - what is waited for is in another process
            await asyncio.sleep(0.005)


def send(number: signal.Signals, *pids: int) -> None:
    for pid in pids:
        os.kill(pid, number)


async def test_none_is_there_before_the_first_login_and_after_the_end(site: Site) -> None:
    assert workers() == []
    asker = prober(site.folder, site.settings)
    assert (await site.ask(asker=asker)).reason is None
    assert len(workers()) == 1
    asker.close()
    assert workers() == []


@pytest.mark.parametrize(("logins", "started"), [(0, 1), (1, 1), (16, 1), (17, 2), (1000, 2)])
async def test_before_many_logins_as_many_are_started_as_these_need(site: Site, logins: int, started: int) -> None:
    tried = pool(site.folder / "key.pem", site.settings)
    await tried.start(logins)
    assert len(workers()) == started
    tried.close()


async def test_more_are_started_where_more_nodes_answer_and_never_more_than_allowed(site: Site) -> None:
    for _ in range(3):
        results = await asyncio.gather(*(site.ask(HEALTHY + number) for number in range(ASKED)))
        assert {result.reason for result in results} == {None}
    assert len(workers()) == 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_login_whose_worker_dies_is_made_again_and_is_one_attempt(site: Site, number: signal.Signals) -> None:
    await site.ask()
    (first,) = workers()
    send(signal.SIGSTOP, first)  # so that it dies in the middle of the login
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(site.ask())
        await asyncio.sleep(0.1)
        assert not asked.done()
        send(number, first)
        send(signal.SIGCONT, first)
    assert (asked.result().reason, asked.result().rung) == (None, Rung.COMMAND)
    assert first not in workers()


@pytest.mark.parametrize(("number", "not_made"), [(signal.SIGKILL, True), (signal.SIGSEGV, False)])
async def test_a_login_that_ends_every_worker_is_an_attempt_unless_this_machine_kills_them(
    site: Site, number: signal.Signals, not_made: bool
) -> None:
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(site.ask(HANGS))
        killed: set[int] = set()
        while not asked.done():
            fresh = [pid for pid in workers() if pid not in killed and _has_login(pid)]
            send(number, *fresh)
            killed.update(fresh)
            await asyncio.sleep(0.01)
    result = asked.result()
    assert (result.reason, result.not_made) == (NodeReason.ERROR, not_made)
    assert "the login process has ended 3 times: it was ended by " in result.message
    assert len(killed) == 3
    assert (await site.ask()).reason is None


def _has_login(pid: int) -> bool:
    return len(list(Path(f"/proc/{pid}/task").iterdir())) == 3  # its own thread, and the two of a login


async def test_a_worker_that_is_stopped_is_replaced_and_its_logins_say_nothing_of_their_nodes(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.settings = site.settings.model_copy(update={"auth_timeout_s": 0.5, "command_timeout_s": 0.5})
    asker = prober(tmp_path, site.settings)
    await site.ask(asker=asker)
    (first,) = workers()
    send(signal.SIGSTOP, first)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    one, other = await asyncio.gather(site.ask(1, asker), site.ask(2, asker))
    assert loop.time() - began_s < 1.0 + GRACE_S + 5
    overdue = one if one.not_made else other
    assert (overdue.not_made, overdue.reason) == (True, NodeReason.TIMEOUT)
    assert "the login process did not run" in overdue.message
    assert {one.reason, other.reason} <= {None, NodeReason.TIMEOUT}
    await until(lambda: first not in workers())
    asker.close()
    site.close()


async def test_a_login_that_computes_on_and_on_is_ended_with_its_worker_and_is_the_nodes(tmp_path: Path) -> None:
    """No node can make a real one compute so long: the worker here is one that only counts."""

    class Computes:
        def __init__(self) -> None:
            self.computed_s = 0.0
            self.future: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()

        def begin(self, _sock: object, begin: Begin, *_judges: object) -> "asyncio.Future[Ended]":
            self.begun = begin
            return self.future

        def cpu_s(self) -> float:
            self.computed_s += 3.0
            return self.computed_s

        def give_up(self, ended: Ended) -> None:
            assert ended.login == self.begun.login
            self.future.set_result(ended)

    settings = SshSettings(allow_loopback=True)
    sock, other = socket.socketpair()
    worker = Computes()
    call = LoginCall(sock, "n", "root", (), open_host_keys(tmp_path / "known_hosts", settings), OwnTime(), 1.0)
    ended = await call.begin(worker, 0.01, 0.01)  # type: ignore[arg-type]
    result = call.result(ended)
    assert (result.reason, result.not_made, result.rung) == (NodeReason.TIMEOUT, False, Rung.BANNER)
    sock.close()
    other.close()


async def test_where_none_can_begin_each_attempt_says_why_and_no_worker_is_started_for_each(site: Site) -> None:
    given = Settings("0.0.0", str(site.folder / "key.pem"), "", 5.0, 2)
    asker = Prober(site.settings, WorkerPool(given), open_host_keys(site.folder / "known_hosts", site.settings))
    seen: set[int] = set()
    for number in range(ASKED):
        result = await site.ask(HEALTHY + number, asker)
        seen.update(workers())
        assert (result.not_made, result.reason, result.rung) == (True, NodeReason.ERROR, Rung.BANNER)
        assert "systemctl restart pinakad" in result.message
    assert len(seen) <= 1
    asker.close()
    tried = WorkerPool(given)
    with pytest.raises(NoWorkerError):
        await KeyCheck(lambda: 0).require_usable(site.folder / "key.pem", tried)
    tried.close()


async def test_a_key_that_is_gone_is_said_by_each_attempt(site: Site) -> None:
    (site.folder / "key.pem").unlink()
    result = await site.ask()
    assert result.not_made
    assert "no such file" in result.message


KILLS = [pytest.param(30), pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]


@pytest.mark.parametrize("kills", KILLS)
async def test_workers_that_are_killed_at_random_cost_no_attempt(site: Site, kills: int) -> None:
    """Whatever is killed when: an attempt that was made has found its node up, and each ask has one result."""
    await asyncio.gather(*(site.ask(HEALTHY + number) for number in range(ASKED)))
    before, chance = standing(), random.Random(boot_id() + str(kills))  # noqa: S311 - other moments each time
    killed, results = 0, list[AttemptResult]()

    async def ask_on(number: int) -> None:
        while killed < kills:
            results.append(await site.ask(number))
            await asyncio.sleep(0.1 if results[-1].not_made else 0)

    async with asyncio.TaskGroup() as group:
        for number in range(ASKED):
            group.create_task(ask_on(HEALTHY + number))
        while killed < kills:
            await asyncio.sleep(chance.uniform(0.0, 0.6))
            for pid in chance.sample(workers(), min(1, len(workers()))):
                send(signal.SIGKILL, pid)
                killed += 1
    made = [result for result in results if not result.not_made]
    print(f"{kills} kills: {len(results)} attempts, {len(results) - len(made)} not made")
    assert len(made) >= kills
    assert {result.reason for result in made} == {None}
    await asyncio.gather(*(site.ask(HEALTHY + number) for number in range(ASKED)))
    await until(lambda: len(workers()) <= 2)
    assert standing().descriptors <= before.descriptors + 2


async def test_a_socket_that_cannot_be_handed_over_ends_its_login_and_no_other(site: Site) -> None:
    tried = WorkerPool(Settings(__version__, str(site.folder / "key.pem"), "", 5.0, 1))
    sock, other = socket.socketpair()
    sock.close()
    worker = tried.worker()
    future = worker.begin(sock, Begin(1, "root", [], 5.0, ready=False), lambda _kind, _blob: True, lambda _facts: False)
    with pytest.raises(WorkerEndedError, match="it cannot be told: "):
        await future
    assert (worker.load, worker.has_ended) == (0, False)
    other.close()
    tried.close()


def test_as_many_are_allowed_as_there_are_processors_or_as_are_set() -> None:
    assert workers_of("auto") == min(8, len(os.sched_getaffinity(0)))
    assert workers_of(7) == 7
