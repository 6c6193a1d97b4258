"""A node that went back to its old network answers elsewhere: does the verdict say so, and only where that is so?"""

import socket
from collections.abc import Callable

import pytest
from machines import Machines
from world import World

from pinakad.report.document import Report
from pinakad.report.node import NodeReport

Gone = Callable[[], Report]


@pytest.fixture
def gone(world: World, machines: Machines) -> Gone:
    """Give what deploys three nodes: one comes up, one answers only at its old address, one nowhere."""
    machines.add(1)
    machines.add(12, "sqdn-002")
    world.add_node(1, ssh={"current": world.address(11)})
    world.add_node(2, ssh={"current": world.address(12)})
    world.add_node(3, ssh={"current": world.address(13)})
    world.configure(poll={"attempts": 4})
    world.start()
    return world.serve


def by_name(report: Report) -> dict[str, NodeReport]:
    return {node.hostname: node for node in report.nodes}


def test_it_is_told_with_the_reason_at_the_new_address_and_is_no_success(world: World, gone: Gone) -> None:
    report = gone()
    nodes = by_name(report)
    assert (report.outcome, report.reason) == ("failed", "nodes_unreachable")
    assert (nodes["sqdn-001"].state, nodes["sqdn-001"].reason) == ("up", None)
    went_back = nodes["sqdn-002"]
    assert (went_back.state, went_back.reason) == ("failed", "at_old_address")
    said = f"it answers at its old address {world.address(12)}; at its new one: cannot connect"
    assert went_back.message.startswith(said)
    assert "at_old_address" not in went_back.reasons, "it is no attempt at the node's address"
    assert (nodes["sqdn-003"].state, nodes["sqdn-003"].reason) == ("failed", "refused")
    assert nodes["sqdn-003"].current == world.address(13)


def test_a_machine_at_the_old_address_that_is_not_ours_is_no_answer(world: World, machines: Machines) -> None:
    """Something listens there, and does not let us in."""
    other = machines.add(12, "sqdn-002")
    other.allow("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqVhQnOvvXvKk0M0pS0vZq0mT0vQ5Jm0GZ9o0o0o0o0 nobody")
    world.add_node(2, ssh={"current": world.address(12)})
    world.configure(poll={"attempts": 2})
    world.start()
    assert by_name(world.serve())["sqdn-002"].reason == "refused"


def test_a_cancellation_while_old_addresses_are_asked_is_the_verdict(world: World, machines: Machines) -> None:
    """The old address swallows everything: the look takes its limit."""
    with socket.socket() as silent:
        silent.bind((world.address(12), machines.port))
        silent.listen(1)
        world.add_node(2, ssh={"current": world.address(12)})
        world.configure(poll={"attempts": 2})
        world.start()
        world.touch()
        world.wait_for_log("sqdn-002 is not up yet")
        silent.settimeout(30)
        held, _ = silent.accept()
        with held:
            world.cancel()
            report = world.answer(30)
        assert report.outcome == "cancelled"


def test_the_boot_before_the_launch_is_asked_for_at_the_old_address_too(world: World, machines: Machines) -> None:
    """Else a node that gets a new address has no baseline, and no proof of its reboot."""
    moved = machines.add(12, "sqdn-002")
    world.add_node(2, ssh={"current": world.address(12)})
    line, go_on = world.gate()
    world.write_script(line)
    world.configure(poll={"reboot": "require", "attempts": 50})
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    boot_id = (moved.folder / "boot_id").read_text(encoding="ascii").strip()
    moved.reboot(up=False)
    new = machines.add(2, "sqdn-002")
    new.reboot()
    go_on()
    node = world.answer().nodes[0]
    assert (node.boot_id_before, node.rebooted, node.reboot_evidence) == (boot_id, True, "boot_id")
