"""What can nodes that are broken or hostile do to an attempt, to the nodes beside them, and to the daemon?"""

import asyncio
import os
import resource
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest
from hostile import BAD, ESCAPING, KINDS, Zoo
from probing import Standing, prober, standing
from site_folders import write_key
from world import World

from pinakad.config import SshSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.ssh.prober import Target
from pinakad.times import wall_s

PORT = 2022
AT_ONCE = 60
MUTANTS_AT_ONCE = 32
BUSY_HOST_S = 4.0
"""How late a limit may be on a machine that has much else to do; what is not bounded takes minutes."""
FLAT_KB = 25_000
ROUNDS = 5
FLOODS_KB = 8 * 2 * 4096
"""What eight floods at once, each received up to 4 MiB and copied once, can leave free in the allocator's heap."""
EXPECTED = {
    "closes": {NodeReason.NOT_SSH},
    "resets": {NodeReason.NOT_SSH, NodeReason.REFUSED},
    "silent": {NodeReason.BANNER_TIMEOUT},
    "drips": {NodeReason.BANNER_TIMEOUT},
    "chatters": {NodeReason.BANNER_TIMEOUT},
    "garbage_first": {NodeReason.NOT_SSH},
    "silent_after_banner": {NodeReason.TIMEOUT},
    "resets_after_banner": {NodeReason.ERROR},
    "garbage_for_key_exchange": {NodeReason.ERROR},
    "huge_packet": {NodeReason.ERROR},
    "huge_integer": {NodeReason.ERROR},
    "long_integer": {NodeReason.ERROR},
    "hollow_integer": {NodeReason.ERROR},
    "group_exchange": {NodeReason.ERROR},
    "counts_beyond": {NodeReason.ERROR},
    "unknown_message": {NodeReason.ERROR},
    "debug_flood": {NodeReason.TIMEOUT},
    "tiny_flood": {NodeReason.TIMEOUT},
    "junk_packets": {NodeReason.TIMEOUT, NodeReason.ERROR},
    "silent_in_key_exchange": {NodeReason.TIMEOUT},
    "resets_in_key_exchange": {NodeReason.ERROR},
    "resets_in_login": {NodeReason.ERROR},
    "hangs_in_command": {NodeReason.TIMEOUT},
    "resets_in_command": {NodeReason.ERROR},
    "endless_errors": {NodeReason.TIMEOUT, NodeReason.ERROR},
    "endless_output": {NodeReason.TIMEOUT},
    "disconnects_with_escapes": {NodeReason.ERROR},
    "escapes_for_banner": {NodeReason.NOT_SSH},
    "escapes_in_old_banner": {NodeReason.NOT_SSH},
    "escapes_in_login": {NodeReason.AUTH_FAILED},
    "escapes_in_partial_login": {NodeReason.AUTH_FAILED},
    "serve_mutant": {None, *NodeReason},
    "escapes_in_facts": {None},
    "escapes_in_boot_id": {None},
    "healthy": {None},
}
TIMEOUTS = {NodeReason.BANNER_TIMEOUT, NodeReason.TIMEOUT}  # a busy zoo may be slow
_worlds = count(1)


class Range:
    """A prober, and an address for each kind of server."""

    def __init__(self, folder: Path, **limits: float) -> None:
        settings = SshSettings.model_validate(
            {"allow_loopback": True, "banner_timeout_s": 0.4, "auth_timeout_s": 1.0, "command_timeout_s": 1.0} | limits
        )
        write_key(folder / "key.pem")
        network = f"127.{os.getpid() % 250 + 2}.{250 - next(_worlds) % 200}"
        self.addresses = {kind: f"{network}.{number}" for number, kind in enumerate(KINDS, 1)}
        self.zoo = Zoo({f"{address}:{PORT}": kind for kind, address in self.addresses.items()})
        self.prober = prober(folder, settings)

    async def ask(self, kind: str, deadline_s: float = 20.0) -> AttemptResult:
        async with asyncio.timeout(deadline_s):
            return await self.prober.attempt(Target(self.addresses[kind], PORT, "anybody"))

    async def ask_many(self, kinds: Iterator[str], attempts: int) -> None:
        """Make so many attempts, AT_ONCE at a time; each must end as it should."""
        left = iter(range(attempts))

        async def one_after_the_other() -> None:
            for _ in left:
                kind = next(kinds)
                probe = await self.ask(kind, 60.0)
                assert probe.reason in EXPECTED[kind] | TIMEOUTS, (kind, probe)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(one_after_the_other())


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Range]:
    field = Range(tmp_path)
    yield field
    field.prober.close()
    field.zoo.close()


@pytest.mark.parametrize("kind", [*BAD, *ESCAPING, "healthy"])
async def test_an_attempt_at_any_server_ends_within_its_limits_with_a_reason(field: Range, kind: str) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    probe = await field.ask(kind)
    assert loop.time() - began_s < 0.4 + 1.0 + 1.0 + 1.0
    assert probe.reason in EXPECTED[kind], probe
    assert probe.message.isprintable()
    assert len(probe.message) < 400
    if kind != "healthy":
        assert (probe.boot_id, probe.uptime_s, probe.hostname) == (None, None, None)
    assert probe.reason is not None or probe.rung is Rung.COMMAND


MUTANTS = [
    pytest.param(700, marks=pytest.mark.timeout(300)),
    pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(14_400)]),
]


@pytest.mark.parametrize("connections", MUTANTS)
async def test_no_mutant_of_a_handshake_outlives_its_limit_or_leaves_anything(tmp_path: Path, connections: int) -> None:
    field = Range(tmp_path, banner_timeout_s=1.0, auth_timeout_s=0.4, command_timeout_s=0.4)
    loop, reasons, longest_s = asyncio.get_running_loop(), Counter[str](), 0.0
    left = iter(range(connections))
    other_tests_threads = standing()[0] - 1

    async def one_after_the_other() -> None:
        nonlocal longest_s
        for _ in left:
            began_s = loop.time()
            probe = await field.ask("serve_mutant", 60.0)
            longest_s = max(longest_s, loop.time() - began_s)
            reasons[str(probe.reason)] += 1
            assert probe.message.isprintable()

    try:
        await field.ask_many(_around(["serve_mutant"]), 100)  # the library has its caches by then
        await _threads_settle(other_tests_threads + 3)
        before = standing()
        async with asyncio.TaskGroup() as group:
            for _ in range(MUTANTS_AT_ONCE):
                group.create_task(one_after_the_other())
        await _threads_settle(before[0])
        after = standing()
    finally:
        field.prober.close()
        field.zoo.close()
    print(f"{connections} mutants: {dict(reasons)}; the longest took {longest_s:.2f} s; {before} -> {after}")
    assert longest_s < 1.0 + 0.4 + 0.4 + BUSY_HOST_S
    assert after[1] <= before[1] + 2
    assert after[2] - before[2] < FLAT_KB
    assert len(reasons) > 3


async def test_a_thousand_connections_that_close_at_once_cost_nothing_that_stays(field: Range) -> None:
    await field.ask_many(_around(["closes"]), 100)
    before = standing()
    await field.ask_many(_around(["closes"]), 1000)
    _assert_flat(before)


@pytest.mark.parametrize("attempts", [500, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
async def test_hostile_attempts_leave_threads_descriptors_and_memory_flat(field: Range, attempts: int) -> None:
    kinds = _around([*BAD, *ESCAPING, "healthy"])
    await field.ask_many(kinds, attempts // 2)  # the library has its caches by then
    before, blocks = standing(), [sys.getallocatedblocks()]
    for _ in range(ROUNDS):
        await field.ask_many(kinds, attempts // 2 // ROUNDS)
        await _threads_settle(before[0])
        blocks.append(sys.getallocatedblocks())
    after = standing()
    print(f"threads, descriptors, KiB: {before} -> {after}; Python's blocks {blocks}")
    assert after[1] <= before[1] + 2
    assert min(later - sooner for sooner, later in pairwise(blocks)) < attempts // 10, "what leaks grows in every round"
    assert after[2] - before[2] < FLOODS_KB


async def test_a_flood_that_minds_no_window_is_cut_before_it_fills_the_memory(field: Range) -> None:
    await field.ask("healthy")
    before_kb = _peak_kb()
    probe = await field.ask("endless_errors")
    assert probe.reason is NodeReason.ERROR, probe
    assert _peak_kb() - before_kb < FLAT_KB


async def test_the_healthy_node_next_to_them_is_up_at_its_first_attempt_and_the_run_ends_on_its_grid(
    world: World,
) -> None:
    kinds = [*BAD, "healthy"]
    zoo = Zoo({f"{world.address(number)}:{PORT}": kind for number, kind in enumerate(kinds, 1)})
    try:
        for number in range(1, len(kinds) + 1):
            world.add_node(number)
        limits = {"banner_timeout_s": 1, "auth_timeout_s": 1, "command_timeout_s": 1}
        world.configure(
            ssh={"port": PORT, **limits},
            poll={"delay_s": 3, "interval_s": 1, "attempts": 5, "reboot": "report", "identity": "ignore"},
        )
        world.start()
        report = world.serve(30)
    finally:
        zoo.close()
    nodes = {kind: report.nodes[number] for number, kind in enumerate(kinds)}
    assert (nodes["healthy"].state, nodes["healthy"].attempts) == ("up", 1)
    assert (report.outcome, report.reason) == ("failed", "nodes_unreachable")
    for kind in BAD:
        if None not in EXPECTED[kind]:
            assert nodes[kind].state == "failed", kind
            assert {NodeReason(reason) for reason in nodes[kind].reasons} <= EXPECTED[kind] | TIMEOUTS, kind
    ends_s = (wall_s(report.clock.launched_at) or 0) + 3 + 5 * 1
    assert abs((wall_s(report.finished_at) or 0) - ends_s) < 1.0
    world.stop()


COSTLY = ["hollow_integer", "long_integer", "huge_integer", "counts_beyond", "debug_flood", "tiny_flood"]
COSTLY += ["endless_output", "endless_errors", "junk_packets", "garbage_for_key_exchange", "silent_in_key_exchange"]


async def test_a_healthy_node_among_sixty_hostile_ones_is_up_at_once_and_the_daemon_stops_in_time(world: World) -> None:
    kinds = [*(COSTLY * 6)[:60], "healthy"]
    zoo = Zoo({f"{world.address(number)}:{PORT}": kind for number, kind in enumerate(kinds, 1)})
    try:
        for number in range(1, len(kinds) + 1):
            world.add_node(number)
        poll = {"delay_s": 1, "interval_s": 5, "attempts": 20, "reboot": "ignore", "identity": "ignore"}
        world.configure(ssh={"port": PORT}, poll=poll)
        world.start()
        world.touch()
        world.wait_for_node(len(kinds), lambda node: node.state == "up")
        healthy = world.status().deployment
        stopped_s = world.stop()
    finally:
        zoo.close()
    assert healthy is not None
    assert healthy.nodes[-1].attempts == 1
    assert stopped_s < 2.0


def _around(kinds: list[str]) -> Iterator[str]:
    while True:
        yield from kinds


async def _threads_settle(threads: int) -> None:
    """Wait until the threads of the library that were cut have seen it, in the workers."""
    async with asyncio.timeout(20):
        while standing()[0] > threads:  # noqa: ASYNC110 - the event is the end of another thread
            await asyncio.sleep(0.05)


def _assert_flat(before: Standing) -> None:
    after = standing()
    print(f"threads, descriptors, KiB: {before} -> {after}")
    assert after[0] <= before[0]
    assert after[1] <= before[1] + 2
    assert after[2] - before[2] < FLAT_KB


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
