"""Do retry, cancel and retire do what they say, and say what they did?"""

import json

import pytest
from machines import Machines
from pinakactl import Operator, ended
from world import World

# --- cancel


def test_a_cancel_waits_for_the_answer_and_what_is_queued_is_served_after_it(
    world: World, machines: Machines, operator: Operator
) -> None:
    machines.add(1)
    world.add_node(1)
    world.write_script(f"[ -e {world.root}/second ] || {{ touch {world.root}/second; {world.gate()[0]}; }}")
    world.start()
    world.touch()
    world.wait(world.runs, "a run")
    world.rename_in("")
    done = operator.call("cancel")
    assert done.returncode == 3
    assert done.stdout.startswith(f"asked to cancel deployment {world.deployments()[0]}\ncancelled: ")
    world.wait_idle()
    outcomes = [world.report(identifier).outcome for identifier in world.deployments()]
    assert outcomes == ["cancelled", "completed"]


def test_a_cancel_that_shall_not_wait_is_0_and_comes_true(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write_script(world.gate()[0])
    world.start()
    world.touch()
    world.wait(world.runs, "a run")
    assert operator.call("cancel", "--no-wait").returncode == 0
    assert world.answer().outcome == "cancelled"


def test_where_all_is_over_there_is_nothing_to_cancel_and_no_marker_is_left(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write_script("exit 1")
    world.start()
    world.serve()
    done = operator.call("cancel")
    assert (done.returncode, done.stdout) == (5, "")
    assert "pinakactl wait tells how" in done.stderr
    assert not (world.markers / "deployment_cancel").exists()


# --- retry


@pytest.fixture
def half_failed(world: World, machines: Machines) -> World:
    """Give a world in which node 1 came up and node 2 did not."""
    machines.add(1)
    machines.add(2, up=False)
    world.add_node(1)
    world.add_node(2)
    world.configure(poll={"attempts": 3})
    world.start()
    assert world.serve().reason == "nodes_unreachable"
    return world


def test_only_what_failed_is_tried_again(half_failed: World, machines: Machines, operator: Operator) -> None:
    machines[2].start()
    done = operator.call("retry", "--failed", "--wait", "--request-id", "again")
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0)
    report = half_failed.report()
    assert (report.request.nodes, report.request.id) == (["node_02.json"], "again")
    done = operator.call("retry", "--failed")
    assert (done.returncode, done.stderr.split(": ")[1][:7]) == (5, "no node")
    assert operator.call("retry", "1", "--wait").returncode == 0
    assert half_failed.report().request.nodes == ["node_01.json", "node_02.json"]


def test_a_newer_file_stands_in_for_the_one_that_failed_and_a_retired_one_is_left_out(
    half_failed: World, operator: Operator
) -> None:
    half_failed.add_node(3, hostname="SQDN-002")
    half_failed.write_script("exit 3")
    assert operator.call("retire", "sqdn-001").returncode == 0
    done = operator.call("retry", "--wait")
    assert done.returncode == 1
    assert "left out    node_01.json: it is not there any more\n" in done.stdout
    assert "instead     node_03.json, which came after node_02.json\n" in done.stdout
    assert half_failed.report().request.nodes == ["node_03.json"]
    assert operator.call("retire", "sqdn-002").returncode == 0
    done = operator.call("retry")
    assert (done.returncode, half_failed.requested()) == (5, False)
    assert "is there any more" in done.stderr


def test_what_ended_before_its_nodes_were_known_is_asked_for_as_it_was(world: World, operator: Operator) -> None:
    world.start()
    assert world.serve().reason == "no_nodes"
    done = operator.call("retry", "--failed")
    assert (done.returncode, "retry without --failed" in done.stderr) == (1, True)
    world.add_node(1)
    world.write_script("exit 3")
    assert operator.call("retry", "--wait").returncode == 1
    assert (world.report().request.nodes, world.report().counts.total) == (None, 1)


@pytest.mark.parametrize(
    "content", ['{"nodes": ["node_01.json"], "force": true}', '{"nodes": ["node_01.json"]', "node_01"]
)
def test_a_request_that_could_not_be_read_is_not_tried_again_as_one_for_all_nodes(
    world: World, operator: Operator, content: str
) -> None:
    world.add_node(1)
    world.add_node(2)
    world.start()
    world.rename_in(content)
    report = world.answer()
    assert (report.reason, report.request.nodes) == ("invalid_request", None)
    world.wait_idle()
    done = operator.call("retry")
    assert (done.returncode, world.requested()) == (1, False)
    assert "cannot tell which nodes" in done.stderr


def test_what_still_runs_is_not_tried_again(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write_script(world.gate()[0])
    world.start()
    world.touch()
    world.wait(world.runs, "a run")
    done = operator.call("retry")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not over; pinakactl wait waits for it" in done.stderr


# --- retire


@pytest.mark.parametrize("text", ["SQDN-001", "node_03.json", "{address}"])
def test_all_files_of_a_node_are_moved_aside_however_it_is_named(world: World, operator: Operator, text: str) -> None:
    world.add_node(1)
    world.add_node(2)
    world.add_node(3, hostname="sqdn-001")
    done = operator.call("retire", text.format(address=world.address(3)))
    assert done.returncode == 0
    for name in ("node_01.json", "node_03.json"):
        assert f"retired      {name} (sqdn-001) -> {world.nodes}/retired/{name}\n" in done.stdout
        assert (world.nodes / "retired" / name).exists()
    assert operator.files() == ["node_02.json", "retired"]


@pytest.mark.parametrize("text", ["node_01.json", "NODE_01.JSON"])
def test_a_superseded_file_is_retired_alone_by_its_own_name(world: World, operator: Operator, text: str) -> None:
    world.add_node(1)
    world.add_node(3, hostname="sqdn-001")
    assert operator.call("retire", text).returncode == 0
    assert operator.files() == ["node_03.json", "retired"]


@pytest.mark.parametrize(("gone", "left"), [("node_01.json", "node_02.json"), ("node_02.json", "node_01.json")])
def test_of_two_machines_with_one_host_name_the_file_that_is_named_is_retired_alone(
    world: World, operator: Operator, gone: str, left: str
) -> None:
    world.add_node(1, disk=["wwn-1"])
    world.add_node(2, hostname="SQDN-001", disk=["wwn-2"])
    said = operator.call("validate")
    assert "`pinakactl retire node_01.json`" in said.stdout + said.stderr
    assert operator.call("retire", gone).returncode == 0
    assert operator.files() == [left, "retired"]
    assert operator.call("validate").returncode == 0


@pytest.mark.parametrize("text", ["sqdn-001", "{address}"])
def test_what_two_machines_share_retires_neither_and_the_files_to_name_are_told(
    world: World, operator: Operator, text: str
) -> None:
    world.add_node(1, disk=["wwn-1"])
    world.add_node(2, hostname="SQDN-001", disk=["wwn-2"])
    done = operator.call("retire", text.format(address=world.address(1)))
    assert (done.returncode, operator.files()) == (2, ["node_01.json", "node_02.json"])
    assert "are two machines" in done.stderr
    assert "name the file: node_01.json, node_02.json" in done.stderr


def test_a_retired_node_fails_no_deployment_and_its_number_is_not_used_again(
    world: World, machines: Machines, operator: Operator
) -> None:
    machines.add(1)
    world.add_node(1)
    world.add_node(2)
    world.start()
    assert operator.call("retire", "sqdn-002").returncode == 0
    assert world.serve().outcome == "completed"
    assert operator.call("apply", operator.draft("3.json", operator.node(3))).returncode == 0
    assert operator.files() == ["node_01.json", "node_03.json", "retired"]
    assert "ignored" not in world.log_text()


def test_a_dry_run_moves_nothing(world: World, operator: Operator) -> None:
    world.add_node(1)
    done = operator.call("retire", "--dry-run", "sqdn-001")
    assert (done.returncode, operator.files()) == (0, ["node_01.json"])
    assert done.stdout.startswith("would retire node_01.json (sqdn-001) -> ")


def test_a_name_that_is_nobodys_or_that_two_nodes_share_moves_nothing(world: World, operator: Operator) -> None:
    world.add_node(1, hostname="a.one")
    world.add_node(2, hostname="a.two")
    for text, cause in (("b", "cannot find a node 'b'"), ("a", "cannot tell which node 'a' is: a.one, a.two")):
        done = operator.call("retire", "a.one", text)
        assert (done.returncode, operator.files()) == (2, ["node_01.json", "node_02.json"])
        assert cause in done.stderr


def test_a_node_that_a_waiting_request_names_is_not_retired(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write(json.dumps({"nodes": ["node_01.json"]}))
    done = operator.call("retire", "sqdn-001")
    assert (done.returncode, operator.files()) == (1, ["node_01.json"])
    assert "a request that waits to be served names it" in done.stderr


def test_a_file_that_is_retired_twice_is_kept_twice(world: World, operator: Operator) -> None:
    for _ in range(2):
        world.add_node(1)
        assert operator.call("retire", "sqdn-001").returncode == 0
    assert sorted(path.name for path in (world.nodes / "retired").iterdir()) == ["node_01.json", "node_01.json.1"]


def test_where_rights_are_missing_they_are_told(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write_script(world.gate()[0])
    world.start()
    world.touch()
    world.wait(world.runs, "a run")
    operator.give_up_rights()
    for folder in (world.markers, world.nodes):
        folder.chmod(0o555)
    for words in (["cancel"], ["retire", "sqdn-001"], ["apply", str(operator.draft("2.json", operator.node(2)))]):
        code, out, err = ended(operator.begin(*words))
        assert (code, out) == (1, "")
        assert "permission denied; use sudo" in err
    for folder in (world.markers, world.nodes):
        folder.chmod(0o755)
