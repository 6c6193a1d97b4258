"""What is missing here says nothing about a node: an attempt that fails for it is marked as not made."""

import asyncio
import errno
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from probing import prober as prober_of
from site_folders import write_key

from pinakad.config import SshSettings
from pinakad.linux.shortage import is_shortage
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.ssh.login_turns import _if_not_kept_waiting
from pinakad.ssh.prober import Prober, Target


@contextmanager
def no_descriptor() -> Iterator[None]:
    """Let this process open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open("/dev/null", os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
async def prober(tmp_path: Path) -> AsyncIterator[Prober]:
    settings = SshSettings(allow_loopback=True)
    write_key(tmp_path / "key.pem")
    prober = prober_of(tmp_path, settings)
    yield prober
    prober.close()


async def ask(prober: Prober, address: str) -> AttemptResult:
    return await prober.attempt(Target(address, 9, "anybody"))


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
async def test_an_attempt_without_a_descriptor_is_none(prober: Prober, address: str) -> None:
    assert not (await ask(prober, address)).not_made, "it is refused: the node's answer"
    with no_descriptor():
        probe = await ask(prober, address)
    assert probe.not_made, probe.message


async def test_an_attempt_that_the_node_ends_is_one(prober: Prober) -> None:
    async def closes(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(closes, "127.0.0.1", 0)
    probe = await prober.attempt(Target("127.0.0.1", server.sockets[0].getsockname()[1], "anybody"))
    assert (probe.reason, probe.not_made) == (NodeReason.NOT_SSH, False)
    server.close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN])
def test_what_this_machine_lacks_is_a_shortage(code: int) -> None:
    assert is_shortage(OSError(code, os.strerror(code)))


@pytest.mark.parametrize(
    "error",
    [ConnectionRefusedError(errno.ECONNREFUSED, ""), OSError(errno.EHOSTUNREACH, ""), EOFError(), socket.gaierror(-2)],
)
def test_what_a_node_or_a_name_server_does_is_none(error: Exception) -> None:
    assert not is_shortage(error)


@pytest.mark.parametrize("error", [MemoryError(), socket.gaierror(socket.EAI_MEMORY, ""), OSError(errno.ENFILE, "")])
def test_memory_and_the_resolvers_own_lacks_are_shortages(error: Exception) -> None:
    assert is_shortage(error)


@pytest.mark.parametrize(
    ("reason", "rung", "waited_s", "ours"),
    [
        (NodeReason.ERROR, Rung.BANNER, 120.0, True),
        (NodeReason.ERROR, Rung.BANNER, 1.0, False),
        (NodeReason.AUTH_FAILED, Rung.HOST_KEY, 120.0, False),
        (NodeReason.TIMEOUT, Rung.BANNER, 120.0, False),
        (None, Rung.COMMAND, 120.0, False),
    ],
)
def test_a_node_that_ends_a_connection_on_which_we_let_it_wait_is_not_blamed(
    reason: NodeReason | None, rung: Rung, waited_s: float, ours: bool
) -> None:
    probe = AttemptResult(1.0, rung, reason, "it closed the connection")
    assert _if_not_kept_waiting(probe, waited_s).not_made is ours
