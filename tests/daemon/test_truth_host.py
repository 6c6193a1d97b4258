"""The host of the daemon goes down while the script runs: what is the verdict when it is back?

A test cannot boot its host again. It leaves the state folder as a boot would: no process of the run is left, and every
boot id that was written down is another one than the host's.
"""

import json
import os
import signal
from socket import gethostname

import pytest
from machines import Machines
from processes import mentioning
from world import World

from pinakad.linux.clock import boot_id


def test_a_host_that_was_booted_again_interrupts_the_script(world: World) -> None:
    world.add_node(1)
    interrupt(world)
    world.start()
    report = world.answer()
    assert (report.outcome, report.reason) == ("failed", "script_interrupted")
    assert report.script is not None
    assert report.script.state == "interrupted"
    assert world.runs() == [report.id]


@pytest.mark.parametrize(("rebooted", "reason"), [(True, None), (False, "nodes_unreachable")])
def test_a_host_that_is_one_of_the_nodes_completes_where_every_node_has_rebooted(
    world: World, machines: Machines, *, rebooted: bool, reason: str | None
) -> None:
    own_name = gethostname().split(".")[0].upper()  # short names are compared without case
    machines.add(1, hostname=own_name)
    machines.add(2)
    world.add_node(1, hostname=own_name)
    world.add_node(2)
    if not rebooted:  # nobody is judged before a full round after the resume, which these make short
        limits = ("connect_timeout_s", "banner_timeout_s", "auth_timeout_s", "command_timeout_s")
        world.configure(poll={"attempts": 1}, ssh=dict.fromkeys(limits, 1.5))
    interrupt(world)
    machines[1].reboot()
    if rebooted:
        machines[2].reboot()
    world.start()
    report = world.answer()
    assert report.reason == reason, report.message
    assert [node.this_host for node in report.nodes] == [True, False]
    assert [node.rebooted for node in report.nodes] == [True, rebooted]
    assert rebooted or report.nodes[1].reason == "not_rebooted"
    assert world.runs() == [report.id]


def interrupt(world: World) -> None:
    """Leave the state of a run whose host went down while the script ran, under another boot id."""
    wait, _ = world.gate()
    world.write_script(wait)
    world.start()
    world.touch()
    world.wait(world.runs, "the script's run")
    world.wait(lambda: world.report().clock.launched_at, "the launch in the report")
    world.kill()
    started = world.folder() / "started"
    for pid in mentioning(f"PINAKAD_NODES_DIR={world.folder()}/nodes"):
        os.kill(pid, signal.SIGKILL)
    os.kill(json.loads(started.read_bytes())["supervisor_pid"], signal.SIGKILL)
    for path in (started, *world.folder().glob("report*.json")):
        path.write_text(path.read_text(encoding="utf-8").replace(boot_id(), "0" * 36), encoding="utf-8")
    (world.folder() / "exit").unlink(missing_ok=True)
