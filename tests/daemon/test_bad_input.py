"""Input as bad as it comes, against the running daemon: is every problem told once, and is the next request served?"""

import json
import os
from collections.abc import Callable

import pytest
from forms import default, neighbour
from world import World

from pinakad.problems import Problem
from pinakad.report.document import Report

TWO_MIB = 2 << 20


@pytest.fixture
def world_with_a_node(world: World) -> World:
    """Give a world with one sound node file whose machine is never there."""
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)
    return world


def refused(world: World) -> Report:
    """Serve a request that must be refused for its node files, with nothing launched."""
    before = world.runs()
    report = world.serve()
    assert (report.outcome, report.reason) == ("failed", "invalid_nodes")
    assert (report.script, world.runs()) == (None, before)
    return report


def errors(report: Report) -> list[Problem]:
    return [problem for problem in report.problems if problem.severity == "error"]


def the_only_error(report: Report) -> Problem:
    (problem,) = errors(report)
    return problem


def serves_the_next_request(world: World) -> None:
    report = world.serve()
    assert report.reason == "nodes_unreachable"
    launched = [identifier for identifier in world.deployments() if world.report(identifier).script is not None]
    assert launched[-1] == report.id
    assert world.runs() == launched, "what stood by for a refused request must have run nothing"


UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "half-written": (json.dumps(default("sqdn-002", "127.0.0.2")).encode()[:-9], "not_json", "json"),
    "empty": (b"", "not_json", "json"),
    "two MiB": (b'{"a": "' + b"x" * TWO_MIB + b'"}', "too_large", "1,048,576"),
    "binary": (bytes(range(256)), "not_utf8", "utf-8"),
    "a list": (b"[]", "not_an_object", "must be a JSON object"),
    "duplicate keys": (b'{"hostname": "a", "hostname": "b"}', "duplicate_key", "hostname"),
    "too deep": (b"[" * 5000 + b"]" * 5000, "too_deep", "level"),
    "a huge number": (b'{"disk": 1' + b"0" * 400 + b"}", "bad_number", "number"),
    "a lone surrogate": (b'{"hostname": "\\ud800"}', "bad_text", "surrogate"),
}


def test_a_file_that_cannot_be_read_is_told_in_one_message_and_the_next_request_is_served(
    world_with_a_node: World,
) -> None:
    world = world_with_a_node
    world.start()
    for number, (kind, (content, code, hint)) in enumerate(UNREADABLE.items(), 2):
        name = f"node_{number:02d}.json"
        file = world.put_node(name, content)
        problem = the_only_error(refused(world))
        assert (problem.file, problem.code) == (name, code), kind
        assert hint.lower() in problem.message.lower(), kind
        assert problem.line() in world.log_text(), kind
        assert (world.nodes / name).read_bytes() == content, kind
        file.unlink()
    serves_the_next_request(world)


def a_folder(world: World) -> None:
    (world.nodes / "node_02.json").mkdir()


def a_link(world: World) -> None:
    (world.nodes / "node_02.json").symlink_to(world.nodes / "node_01.json")


def a_pipe(world: World) -> None:
    os.mkfifo(world.nodes / "node_02.json")


@pytest.mark.parametrize("make", [a_folder, a_link, a_pipe])
def test_what_is_no_regular_file_under_a_node_files_name_is_an_error(
    world_with_a_node: World, make: Callable[[World], None]
) -> None:
    world = world_with_a_node
    make(world)
    world.start()
    problem = the_only_error(refused(world))
    assert (problem.file, problem.code) == ("node_02.json", "not_a_file")
    assert "must be a regular file" in problem.message


def test_every_problem_of_every_file_is_told_in_one_go_with_what_would_be_right(world_with_a_node: World) -> None:
    world = world_with_a_node
    gateway = neighbour(world.address(2)).replace("127.", "128.", 1)
    for document, number in every_problem(world, gateway):
        world.put_node(f"node_{number:02d}.json", json.dumps(document))
    world.put_node("node_05.json", "{")
    world.start()
    report = refused(world)
    expected = {
        ("node_02.json", "/using_interfaces/interface_01/Properties/gateway", f'"{gateway}"', "bad_gateway"),
        ("node_02.json", "/using_interfaces/interface_01/Properties/Netmask", '"255.0.255.0"', "bad_netmask"),
        ("node_03.json", "/hostname", "7", "wrong_type"),
        ("node_03.json", "/roles", '"compute"', "wrong_type"),
        ("node_04.json", "/using_interfaces/interface_01", f'"{world.address(1)}"', "duplicate_address"),
        ("node_05.json", "", "", "not_json"),
    }
    found = [(problem.file, problem.path, problem.value, problem.code.value) for problem in errors(report)]
    assert set(found) == expected
    assert len(found) == len(expected), "each once"
    log = world.log_text()
    for problem in errors(report):
        assert problem.line() in log
    rules = {problem.code.value: problem.message for problem in errors(report)}
    assert "one of the node's subnets" in rules["bad_gateway"]
    assert "contiguous, such as 255.255.255.0" in rules["bad_netmask"]
    assert "must be a" in rules["wrong_type"]
    assert "if node_01.json is out of date, remove it" in rules["duplicate_address"]
    for number in (2, 3, 4, 5):
        (world.nodes / f"node_{number:02d}.json").unlink()
    serves_the_next_request(world)


def every_problem(world: World, gateway: str) -> list[tuple[dict[str, object], int]]:
    """Return node files with two problems of their own, two wrong types, and one across files."""
    second = default("sqdn-002", world.address(2))
    second["using_interfaces"]["interface_01"]["Properties"] |= {"gateway": gateway, "Netmask": "255.0.255.0"}
    second["using_interfaces"]["interface_02"]["Properties"] = {
        "IP_ADDRESS": neighbour(world.address(2), 202),
        "Netmask": "255.255.255.0",
    }
    third = default("sqdn-003", world.address(3)) | {"hostname": 7, "roles": "compute"}
    return [(second, 2), (third, 3), (default("sqdn-004", world.address(1)), 4)]


def test_a_bad_file_is_logged_as_it_arrives_once_and_again_when_it_has_changed(world_with_a_node: World) -> None:
    world = world_with_a_node
    world.start()
    world.add_node(2, roles="compute")
    world.wait_for_log("node_02.json /roles")
    world.add_node(3, disk="sda")
    world.wait_for_log("node_03.json /disk")
    assert world.log_text().count("node_02.json /roles") == 1
    world.add_node(2, roles="storage")
    world.wait_for_log('(found "storage")')
    assert world.deployments() == []


def test_other_files_are_ignored_with_one_warning_each(world_with_a_node: World) -> None:
    world = world_with_a_node
    world.put_node("node_1a.json", "{")
    world.put_node("NODE_02.json", "{")
    world.put_node("notes.txt", "{")
    world.start()
    serves_the_next_request(world)
    serves_the_next_request(world)
    for name, times in (("node_1a.json", 1), ("NODE_02.json", 1), ("notes.txt", 0)):
        assert world.log_text().count(f"<4>'{name}' is ignored") == times


def test_a_file_that_is_half_written_when_the_request_comes_is_waited_for(world_with_a_node: World) -> None:
    world = world_with_a_node
    whole = json.dumps(default("sqdn-002", world.address(2)))
    world.start()
    with (world.nodes / "node_02.json").open("w", encoding="utf-8") as file:
        file.write(whole[:100])
        file.flush()
        world.touch()
        world.wait_for_log("the request is taken")
        world.wait_for_log("node_02.json: cannot read the file as JSON")
        assert world.report().phase == "validating"
        file.write(whole[100:])
    report = world.answer()
    assert report.reason == "nodes_unreachable"
    assert [node.file for node in report.nodes] == ["node_01.json", "node_02.json"]
    snapshot = world.folder(report.id) / "nodes" / "node_02.json"
    assert snapshot.read_text(encoding="utf-8") == whole


def test_problems_of_files_that_are_not_asked_for_hold_nobody_up(world_with_a_node: World) -> None:
    world = world_with_a_node
    world.put_node("node_02.json", "[]")
    world.start()
    world.write('{"nodes": ["node_01.json"]}')
    report = world.answer()
    assert (report.reason, report.problems) == ("nodes_unreachable", [])


def test_warnings_are_told_and_hold_nobody_up(world_with_a_node: World) -> None:
    world = world_with_a_node
    document = default("sqdn-002", world.address(2)) | {"roles": ["Control", "fortune-teller"]}
    document["using_interfaces"]["interface_01"] |= {"vlan_id": "5000"}
    document["using_interfaces"]["interface_01"]["Properties"]["mtu"] = "9"
    world.put_node("node_02.json", json.dumps(document))
    world.start()
    report = world.serve()
    assert report.reason == "nodes_unreachable"
    assert {problem.code.value for problem in report.problems} == {"unknown_role", "vlan_range", "mtu_range"}
    assert errors(report) == []
