import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from math import inf
from pathlib import Path

import pytest
from probing import prober

from pinakad.config import SshSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason
from pinakad.simulate.node import SimulatedNode, new_key
from pinakad.simulate.rack import Rack, free_port
from pinakad.simulate.scenario import Face, Scenario
from pinakad.ssh.prober import Target, open_host_keys

DEADLINE_S = 10.0
SOON = Scenario(shutdown_s=0.02, down_s=0.1)


class Site:
    """A folder with a key, and whoever logs in with it."""

    def __init__(self, folder: Path) -> None:
        self.key = new_key(folder / "key.pem")
        settings = SshSettings(allow_loopback=True, banner_timeout_s=0.5, auth_timeout_s=10, command_timeout_s=10)
        self._host_keys = open_host_keys(folder / "known_hosts", settings)
        self.prober = prober(folder, settings, host_keys=self._host_keys)
        self._folder, self._settings = folder, settings

    def node(self, life: Scenario = SOON, last: int = 1) -> SimulatedNode:
        address = f"127.0.7.{last}"
        return SimulatedNode(f"sim-{last}", address, free_port([address]), self.key, life)

    async def ask(self, node: SimulatedNode, command: str = "") -> AttemptResult:
        asked = prober(self._folder, self._settings, None, command, self._host_keys) if command else self.prober
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await asked.attempt(
                    Target(node.address, node.port, "anybody"), may_run_ready=_always if command else None
                )
        finally:
            if asked is not self.prober:
                asked.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    found = Site(tmp_path)
    yield found
    found.prober.close()


def _always(_result: AttemptResult) -> bool:
    return True


async def until(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(DEADLINE_S):
        while not so():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.005)


async def until_answer(ask: Callable[[], Awaitable[AttemptResult]], reason: NodeReason | None) -> AttemptResult:
    """Ask until the attempt ends like that."""
    async with asyncio.timeout(DEADLINE_S):
        while (probe := await ask()).reason is not reason:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.005)
        return probe


def has_booted(node: SimulatedNode, times: int) -> bool:
    return node.boots == times


async def order(rack: Rack, line: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", rack.control_port)
    writer.write(f"{line}\n".encode())
    async with asyncio.timeout(DEADLINE_S):
        answer = await reader.readline()
    writer.close()
    return answer.decode().strip()


LIVES = {
    "reboots": (Scenario(), [Face.UP, Face.DOWN, Face.UP]),
    "never back": (Scenario(never_back=True), [Face.UP, Face.DOWN]),
    "ignores orders": (Scenario(ignores_orders=True), []),
    "installer first": (Scenario(installer_s=1), [Face.UP, Face.DOWN, Face.INSTALLER, Face.DOWN, Face.UP]),
    "late key": (Scenario(late_key_s=1), [Face.UP, Face.DOWN, Face.LOCKED, Face.UP]),
    "dripping": (Scenario(dripping_s=1), [Face.UP, Face.DOWN, Face.DRIPPING, Face.UP]),
    "back twice": (Scenario(again_after_s=1), [Face.UP, Face.DOWN, Face.UP, Face.DOWN, Face.UP]),
}


@pytest.mark.parametrize("name", LIVES)
def test_a_life_is_the_row_of_faces_that_its_scenario_names_and_only_the_last_stays(name: str) -> None:
    life, faces = LIVES[name]
    spells = list(life.life())
    assert [spell.face for spell in spells] == faces
    assert [spell.lasts_s == inf for spell in spells] == [False] * (len(faces) - 1) + [True] * bool(faces)


async def test_a_node_tells_its_boot_id_its_uptime_and_its_name_to_whoever_has_the_key(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        first, second = [await site.ask(rack.nodes[0]) for _ in range(2)]
    assert (first.reason, first.hostname) == (None, "sim-1")
    assert first.boot_id == second.boot_id is not None
    assert 86_400 <= (first.uptime_s or 0) <= (second.uptime_s or 0) < 86_400 + DEADLINE_S


async def test_a_node_refuses_another_key(site: Site, tmp_path: Path) -> None:
    node = site.node()
    site.key = new_key(tmp_path / "other.pem")
    async with Rack([node, site.node(last=2)]) as rack:
        assert (await site.ask(rack.nodes[0])).reason is None
        assert (await site.ask(rack.nodes[1])).reason is NodeReason.AUTH_FAILED


async def test_any_other_command_ends_with_status_0(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        assert (await site.ask(rack.nodes[0], "systemctl is-system-running --wait")).reason is None


async def test_an_order_takes_the_node_away_and_it_comes_back_with_another_boot_id(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        node = rack.nodes[0]
        before = await site.ask(node)
        assert await order(rack, "reboot sim-1") == "ok"
        await until(lambda: node.face is Face.DOWN)
        assert (await site.ask(node)).reason is NodeReason.REFUSED
        after = await until_answer(lambda: site.ask(node), None)
    assert after.boot_id not in (None, before.boot_id)
    assert after.host_key is HostKey.SAME
    assert (after.uptime_s or 0) < DEADLINE_S
    assert node.boots == 1


async def test_a_reboot_can_be_ordered_by_ssh_as_well(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        await site.ask(rack.nodes[0], "sudo -n reboot")
        await until(lambda: rack.nodes[0].boots == 1)


async def test_going_down_ends_the_connections_that_are_open(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        node = rack.nodes[0]
        reader, writer = await asyncio.open_connection(node.address, node.port)
        assert (await reader.readline()).startswith(b"SSH-2.0-")
        node.order_reboot()
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()  # to the end of the connection
        assert node.face is Face.DOWN
        writer.close()


async def test_a_reinstalled_node_has_another_host_key_and_keeps_it(site: Site) -> None:
    async with Rack([site.node(replace(SOON, new_host_key=True))]) as rack:
        node = rack.nodes[0]
        await site.ask(node)
        node.order_reboot()
        await until(lambda: node.boots == 1)
        assert (await site.ask(node)).host_key is HostKey.CHANGED
        assert (await site.ask(node)).host_key is HostKey.SAME


async def test_a_node_may_come_back_under_a_wrong_name(site: Site) -> None:
    async with Rack([site.node(replace(SOON, hostname="somebody-else"))]) as rack:
        node = rack.nodes[0]
        assert (await site.ask(node)).hostname == "sim-1"
        node.order_reboot()
        await until(lambda: node.boots == 1)
        assert (await site.ask(node)).hostname == "somebody-else"


async def test_an_installer_answers_first_on_the_same_address(site: Site) -> None:
    async with Rack([site.node(replace(SOON, installer_s=1))]) as rack:
        node = rack.nodes[0]
        before = await site.ask(node)
        node.order_reboot()
        await until(lambda: node.face is Face.INSTALLER)
        installer = await site.ask(node)
        assert (installer.hostname, installer.host_key) == ("installer", HostKey.CHANGED)
        await until(lambda: node.boots == 2)
        after = await site.ask(node)
    assert after.hostname == "sim-1"
    assert len({before.boot_id, installer.boot_id, after.boot_id}) == 3


async def test_a_late_key_refuses_the_login_for_a_while(site: Site) -> None:
    async with Rack([site.node(replace(SOON, late_key_s=0.5))]) as rack:
        node = rack.nodes[0]
        node.order_reboot()
        await until(lambda: node.face is Face.LOCKED)
        assert (await site.ask(node)).reason is NodeReason.AUTH_FAILED
        await until(lambda: node.face is Face.UP)
        assert (await site.ask(node)).reason is None


async def test_a_dripping_banner_holds_an_attempt_up_until_its_limit(site: Site) -> None:
    async with Rack([site.node(replace(SOON, dripping_s=1))]) as rack:
        node = rack.nodes[0]
        node.order_reboot()
        await until(lambda: node.face is Face.DRIPPING)
        assert (await site.ask(node)).reason is NodeReason.BANNER_TIMEOUT
        assert (await until_answer(lambda: site.ask(node), None)).hostname == "sim-1"


async def test_a_node_that_is_back_twice_has_three_boot_ids(site: Site) -> None:
    async with Rack([site.node(replace(SOON, again_after_s=0.5))]) as rack:
        node = rack.nodes[0]
        seen = {(await site.ask(node)).boot_id}
        node.order_reboot()
        for boots in (1, 2):
            await until(partial(has_booted, node, boots))
            seen.add((await site.ask(node)).boot_id)
    assert len(seen - {None}) == 3


async def test_a_node_that_never_comes_back_keeps_its_port_to_itself(site: Site) -> None:
    async with Rack([site.node(replace(SOON, never_back=True))]) as rack:
        node = rack.nodes[0]
        node.order_reboot()
        await until(lambda: node.face is Face.DOWN)
        assert (await site.ask(node)).reason is NodeReason.REFUSED
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((node.address, node.port))


async def test_a_node_that_ignores_orders_stays_as_it_was(site: Site) -> None:
    async with Rack([site.node(replace(SOON, ignores_orders=True))]) as rack:
        before = await site.ask(rack.nodes[0])
        assert await order(rack, "reboot sim-1") == "ok"
        assert (await site.ask(rack.nodes[0])).boot_id == before.boot_id


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("reboot nobody", "error: there is no such node"),
        ("halt sim-1", "error: an order is the line: reboot HOSTNAME"),
        ("", "error: an order is the line: reboot HOSTNAME"),
        ("\xff\x00 \x1b[2J", "error: an order is the line: reboot HOSTNAME"),
    ],
)
async def test_an_order_that_makes_no_sense_is_answered_with_what_would(site: Site, line: str, answer: str) -> None:
    async with Rack([site.node()]) as rack:
        assert await order(rack, line) == answer


async def test_a_node_that_is_down_hears_no_order(site: Site) -> None:
    async with Rack([site.node(replace(SOON, never_back=True))]) as rack:
        await order(rack, "reboot sim-1")
        await until(lambda: rack.nodes[0].face is Face.DOWN)
        assert await order(rack, "reboot sim-1") == "error: it is not up, and does not hear"


async def test_nothing_listens_any_more_when_the_rack_is_left(site: Site) -> None:
    async with Rack([site.node()]) as rack:
        node, control = rack.nodes[0], rack.control_port
    for address, port in ((node.address, node.port), ("127.0.0.1", control)):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, port)


async def test_a_rack_whose_last_node_cannot_start_leaves_no_other_running(site: Site) -> None:
    first = site.node()
    taken = SimulatedNode("sim-2", first.address, first.port, site.key)
    with pytest.raises(OSError, match="in use"):
        async with Rack([first, taken]):
            pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(first.address, first.port)


def test_a_free_port_is_free_on_every_address() -> None:
    addresses = ["127.0.7.1", "127.0.7.2"]
    port = free_port(addresses)
    for address in addresses:
        with socket.socket() as sock:
            sock.bind((address, port))
