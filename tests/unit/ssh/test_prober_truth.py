"""Each reason of a node, reached on purpose against real machines: does the verdict follow from what they are?"""

import signal

import pytest
from fakes import Fakes, says
from machines import Machines
from site_folders import write_key
from world import World

from pinakad.report.document import Report
from pinakad.report.node import NodeReport

NODE_REASONS = ("refused", "timeout", "not_ssh", "banner_timeout", "unresolved", "unreachable", "error")


def verdict(report: Report) -> tuple[str | None, str | None]:
    return report.outcome, report.reason


def few_attempts(world: World, **ssh: object) -> None:
    """Let polling end after 2.4 s: for what must fail. What must complete has 30 s, however busy the host is."""
    world.configure(poll={"attempts": 8, "interval_s": 0.3}, ssh=ssh)


def the_unreachable_node(report: Report, reason: str) -> NodeReport:
    """Return the one node of a deployment that it alone has failed, and always for the same reason."""
    assert verdict(report) == ("failed", "nodes_unreachable"), report.message
    (node,) = report.nodes
    assert (node.state, node.reason) == ("failed", reason), node.message
    assert node.reasons == {reason: node.attempts}
    assert reason in report.message
    return node


@pytest.fixture
def one(world: World, machines: Machines) -> Machines:
    """Give the machines with the first one up, and its node file."""
    machines.add(1)
    world.add_node(1)
    return machines


def test_what_is_no_ssh_server_is_told_by_its_reason_and_by_the_rung_that_was_reached(world: World) -> None:
    few_attempts(world, connect_timeout_s=0.4, banner_timeout_s=0.4, auth_timeout_s=0.4, port=20022)
    fakes = Fakes()
    expected = {}
    try:
        for number, reason, rung in serve_what_is_no_ssh(world, fakes, 20022):
            expected[number] = reason, rung
        world.start()
        report = world.serve()
    finally:
        fakes.close()
    assert verdict(report) == ("failed", "nodes_unreachable")
    assert {node.number: (node.reason, node.last_rung) for node in report.nodes} == expected
    assert {node.reason for node in report.nodes} == set(NODE_REASONS)
    assert {node.state for node in report.nodes} == {"failed"}


def serve_what_is_no_ssh(world: World, fakes: Fakes, port: int) -> list[tuple[int, str, str | None]]:
    fakes.never_accept(world.address(2), port)
    fakes.serve(world.address(3), port, says(b"SSH-2.0-stuck\r\n"))
    fakes.serve(world.address(4), port, says(b"HTTP/1.1 400 Bad Request\r\n" * 500))
    fakes.serve(world.address(5), port, says(b"", then_close=True))
    fakes.serve(world.address(6), port, says(b""))
    fakes.serve(world.address(9), port, says(b"SSH-2.0-broken\r\n", then_close=True))
    strange = {7: {"ssh": {"address": "no-such-machine.invalid"}}, 8: {"ssh": {"address": "127.255.255.255"}}}
    for number in range(1, 10):
        world.add_node(number, **strange.get(number, {}))
    return [
        (1, "refused", None),
        (2, "timeout", None),
        (3, "timeout", "banner"),
        (4, "not_ssh", "connect"),
        (5, "not_ssh", "connect"),
        (6, "banner_timeout", "connect"),
        (7, "unresolved", None),
        (8, "unreachable", None),
        (9, "error", "banner"),
    ]


def test_a_machine_that_refuses_the_key_is_asked_twice_and_not_hammered(world: World, one: Machines) -> None:
    one[1].allow(write_key(world.root / "another"))
    world.configure(poll={"attempts": 8})
    world.start()
    node = the_unreachable_node(world.serve(), "auth_failed")
    assert (node.rung, node.attempts) == ("host_key", 2), "at first, and in the last slot"


def test_a_changed_host_key_is_refused_by_accept_new_and_pinned_by_replace(world: World, one: Machines) -> None:
    world.configure(ssh={"host_keys": "accept-new"}, poll={"attempts": 25})
    world.start()
    assert world.serve().nodes[0].host_key == "new"
    assert world.serve().nodes[0].host_key == "same"
    one[1].reboot(host_key=True)
    node = the_unreachable_node(world.serve(), "host_key_changed")
    assert node.rung == "banner"
    world.configure(ssh={"host_keys": "replace"})
    world.reload()
    report = world.serve()
    assert (report.outcome, report.nodes[0].host_key) == ("completed", "changed")
    assert {problem.code for problem in report.problems} == {"host_key_changed", "not_rebooted"}
    assert world.serve().nodes[0].host_key == "same"


def test_nothing_is_run_on_a_machine_whose_host_key_is_refused(world: World, one: Machines) -> None:
    """It lets us in, as whoever took over the address would: the key must not be used there at all."""
    sign = world.root / "was_here"
    world.configure(ssh={"host_keys": "accept-new"}, poll={"attempts": 25, "ready_command": f"touch {sign}"})
    world.start()
    assert world.serve().outcome == "completed"
    sign.unlink()
    one[1].reboot(host_key=True)
    the_unreachable_node(world.serve(), "host_key_changed")
    assert not sign.exists()


def test_strict_trusts_the_operators_file_and_nothing_else(world: World, one: Machines) -> None:
    known = world.root / "known_hosts"
    known.write_text(f"elsewhere {one[1].host_key}\n", encoding="utf-8")
    world.configure(ssh={"host_keys": "strict", "known_hosts": str(known)}, poll={"attempts": 25})
    world.start()
    the_unreachable_node(world.serve(), "host_key_unknown")
    name = f"[{world.address(1)}]:{world.report().nodes[0].port}"
    known.write_text(f"{name} {one[1].host_key}\n", encoding="utf-8")
    assert verdict(world.serve()) == ("completed", None)
    one[1].reboot(host_key=True)
    the_unreachable_node(world.serve(), "host_key_changed")


@pytest.mark.parametrize(
    ("identity", "outcome"), [("require", "failed"), ("report", "completed"), ("ignore", "completed")]
)
def test_a_machine_with_another_name_is_not_the_node_where_that_is_required(
    world: World, one: Machines, identity: str, outcome: str
) -> None:
    one[1].rename("installer")
    if outcome == "failed":
        few_attempts(world)
    world.configure(poll={"identity": identity})
    world.start()
    report = world.serve()
    assert report.outcome == outcome
    assert report.nodes[0].reported_hostname == "installer"
    if identity == "require":
        assert the_unreachable_node(report, "wrong_host").rung == "command"
    assert ("wrong_host" in {problem.code for problem in report.problems}) == (identity == "report")


@pytest.mark.parametrize(
    ("reboot", "outcome", "told"),
    [("require", "failed", False), ("report", "completed", False), ("ignore", "completed", None)],
)
def test_a_machine_that_never_went_away_has_not_rebooted(
    world: World, one: Machines, reboot: str, outcome: str, told: bool | None
) -> None:
    if outcome == "failed":
        few_attempts(world)
    world.configure(poll={"reboot": reboot})
    world.start()
    report = world.serve()
    assert (report.outcome, report.nodes[0].rebooted) == (outcome, told)
    if reboot == "require":
        assert the_unreachable_node(report, "not_rebooted").rung == "identity"
    assert ("not_rebooted" in {problem.code for problem in report.problems}) == (reboot == "report")
    assert (report.nodes[0].boot_id_before is None) == (reboot == "ignore")


def test_a_required_reboot_ends_the_run_as_soon_as_it_is_proved_by_the_boot_id(world: World, one: Machines) -> None:
    world.configure(poll={"reboot": "require"})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.reason == "not_rebooted")
    one[1].reboot()
    report = world.answer()
    node = report.nodes[0]
    assert (report.outcome, node.rebooted, node.reboot_evidence) == ("completed", True, "boot_id")
    assert node.boot_id_after == one[1].boot_id != node.boot_id_before


@pytest.mark.parametrize("fresh", [True, False])
def test_without_a_baseline_only_a_short_uptime_proves_a_reboot(
    world: World, machines: Machines, *, fresh: bool
) -> None:
    machine = machines.add(1, up=False)
    world.add_node(1)
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.attempts >= 3)
    machine.booted_ago(0 if fresh else 86400)
    machine.start()
    report = world.answer()
    node = report.nodes[0]
    assert (report.outcome, node.boot_id_before) == ("completed", None)
    assert (node.rebooted, node.reboot_evidence) == ((True, "uptime") if fresh else (None, None))
    assert report.problems == []


def test_a_machine_is_not_ready_until_its_command_says_so(world: World, one: Machines) -> None:
    sign = world.root / "ready"
    world.configure(poll={"ready_command": f"test -e {sign}"})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.reason == "not_ready" and node.rung == "reboot")
    sign.touch()
    report = world.answer()
    assert report.outcome == "completed"
    assert set(report.nodes[0].reasons) == {"not_ready"}


def test_the_ready_command_is_run_on_no_other_machine_and_not_before_the_reboot_that_is_required(
    world: World, one: Machines
) -> None:
    sign = world.root / "was_run"
    world.configure(poll={"identity": "require", "reboot": "require", "ready_command": f"touch {sign}"})
    one[1].rename("an-installer")
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.reason == "wrong_host" and node.attempts >= 2)
    assert not sign.exists()
    one[1].rename("sqdn-001")
    world.wait_for_node(1, lambda node: node.reason == "not_rebooted" and node.last_rung == "identity")
    attempts = world.report().nodes[0].attempts
    world.wait_for_node(1, lambda node: node.attempts >= attempts + 2)
    assert not sign.exists()
    one[1].reboot()
    assert world.answer().outcome == "completed"
    assert sign.exists()


def test_a_machine_that_reboots_again_is_unstable_until_it_stays(world: World, one: Machines) -> None:
    world.configure(poll={"stable_checks": 12})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: 2 <= node.stable_count < 12)
    one[1].reboot_unseen()
    report = world.answer()
    assert report.outcome == "completed"
    assert report.nodes[0].stable_count == 12
    assert report.nodes[0].reasons["unstable"] >= 2 + 11, "at least two before the second boot, all but one after it"


def test_too_few_attempts_for_the_checks_leave_a_machine_unstable(world: World, one: Machines) -> None:
    few_attempts(world)
    world.configure(poll={"stable_checks": 19})
    world.start()
    assert the_unreachable_node(world.serve(), "unstable").rung == "ready"


def test_a_machine_without_a_shell_is_up_with_facts_that_nobody_knows(world: World, one: Machines) -> None:
    one[1].forget_shell()
    world.start()
    report = world.serve()
    node = report.nodes[0]
    assert report.outcome == "completed"
    assert (node.boot_id_after, node.reported_hostname, node.rebooted) == (None, None, None)


def test_a_machine_that_was_up_and_goes_with_the_scripts_last_line_does_not_count(world: World, one: Machines) -> None:
    few_attempts(world)
    call = one.on_call(lambda _: one[1].stop())
    wait, go = world.gate()
    world.write_script(f"{wait}\n{call('power off')}")
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    go()
    report = world.answer()
    assert verdict(report) == ("failed", "nodes_unreachable")
    node = report.nodes[0]
    assert (node.state, node.reason, node.rung, node.up_at) == ("failed", "refused", "stable", None)


def test_a_script_that_removes_the_request_itself_changes_nothing_but_a_warning(world: World, one: Machines) -> None:
    world.write_script(f'rm "{world.markers}/deployment_in_progress"')
    world.configure(poll={"delay_s": 0.3})
    world.start()
    report = world.serve()
    assert report.outcome == "completed"
    assert "request_removed" in [problem.code for problem in report.problems]
    assert world.runs() == [report.id]


def test_where_somebody_else_starts_the_script_the_nodes_alone_decide(world: World, one: Machines) -> None:
    world.configure(script={"launch": False})
    world.script.unlink()
    world.configure(poll={"attempts": 25})
    world.start()
    report = world.serve()
    assert (*verdict(report), report.script, world.runs()) == ("completed", None, None, [])
    one[1].stop()
    report = world.serve()
    assert verdict(report) == ("failed", "nodes_unreachable")


def test_a_cancelled_run_ends_its_script_with_all_that_it_started(world: World, one: Machines) -> None:
    wait, _ = world.gate()
    world.write_script(f"setsid bash -c '{wait}' &\n{wait}")
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    world.cancel()
    report = world.answer()
    assert verdict(report) == ("cancelled", "cancelled")
    assert report.script is not None
    assert (report.script.state, report.script.signal) == ("exited", signal.SIGTERM)
    world.wait_idle()
    assert [path.name for path in world.markers.iterdir() if path.name.startswith("deployment_c")] == []


def test_two_addresses_that_lead_to_one_machine_are_told(world: World, machines: Machines) -> None:
    """Its controller is down and its address was taken over by the other one: both answer, with one boot id."""
    for number in (1, 2):
        world.add_node(number)
        machines.add(number)
    (machines[2].folder / "boot_id").write_text(machines[1].boot_id + "\n", encoding="utf-8")
    world.start()
    report = world.serve()
    told = [problem for problem in report.problems if problem.code == "same_machine"]
    assert [(problem.file, problem.value) for problem in told] == [("node_02.json", f'"{machines[1].boot_id}"')]
    assert "sqdn-001" in told[0].message
    machines[2].reboot()
    assert "same_machine" not in {problem.code for problem in world.serve().problems}
