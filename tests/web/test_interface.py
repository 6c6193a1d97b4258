"""Does the interface do what pinakactl does, for programs that know HTTP only?"""

import json
from typing import Any

import pytest
from forms import default
from front_door import FrontDoor
from machines import Machines
from world import World

from pinakad.polling.vocabulary import NodeReason
from pinakad.report.vocabulary import Reason


@pytest.fixture
def served(world: World, door: FrontDoor, machines: Machines) -> FrontDoor:
    """Give a front door of a daemon that runs, with two nodes that answer."""
    for number in (1, 2):
        machines.add(number)
    world.start()
    return door


def node(world: World, number: int, **more: Any) -> dict[str, Any]:
    return default(f"sqdn-{number:03d}", world.address(number)) | more


def test_from_nothing_to_a_verdict(world: World, served: FrontDoor) -> None:
    assert served.get("/status")["deployment"] is None
    assert served.call("GET", "/deployments/latest").status == 404
    asked = served.post("/deployments", {"nodes": [node(world, 1), node(world, 2)], "request_id": "ticket-1"})
    assert asked.status == 201, asked.body
    assert asked.json()["files"] == ["node_01.json", "node_02.json"]
    assert [row["address"] for row in asked.json()["plan"]] == [world.address(1), world.address(2)]
    run = served.wait_for("ticket-1")
    assert (run["outcome"], run["counts"]["up"], run["reasons"]) == ("completed", 2, {})
    assert "nodes" not in run
    report = served.get("/deployments/latest")
    assert report == json.loads(world.report().json_text())
    nodes = served.get(f"/deployments/{run['id']}/nodes")
    assert [(row["index"], row["hostname"], row["state"]) for row in nodes["nodes"]] == [
        (0, "sqdn-001", "up"),
        (1, "sqdn-002", "up"),
    ]
    assert served.call("GET", "/status.txt").body.startswith(b"idle; last deployment completed")
    [line] = served.get("/deployments")["deployments"]
    assert (line["id"], line["outcome"]) == (run["id"], "completed")


def test_all_problems_are_told_with_their_places_and_nothing_is_stored(world: World, door: FrontDoor) -> None:
    wrong, other = node(world, 1), node(world, 2)
    wrong["using_interfaces"]["interface_01"]["Properties"]["Netmask"] = "255.0.255.0"
    other["using_interfaces"]["interface_02"] |= {"Bond_Slave": "YES", "Bond_Interface_Name": "bond9"}
    checked = door.post("/validate", [wrong, other]).json()
    assert not checked["ok"]
    assert checked["plan"] is None
    errors = {(item["node"], item["path"], item["code"]) for item in checked["problems"] if item["severity"] == "error"}
    assert (0, "/using_interfaces/interface_01/Properties/Netmask", "bad_netmask") in errors
    assert (1, "/using_interfaces/interface_02/Bond_Interface_Name", "unknown_bond") in errors
    refused = door.post("/deployments", {"nodes": [wrong, other]})
    assert (refused.status, refused.json()["error"]) == (422, "invalid_nodes")
    assert {item["code"] for item in refused.json()["problems"]} >= {"bad_netmask", "unknown_bond"}
    assert not list(world.nodes.iterdir())
    assert not world.requested()


def test_a_preview_says_what_would_be_stored_superseded_and_polled(world: World, door: FrontDoor) -> None:
    world.add_node(1)
    checked = door.post("/validate", {"10.9.9.9": node(world, 1), "10.9.9.8": node(world, 2)}).json()
    assert checked["ok"]
    rows = {row["node"]: (row["file"], row["hostname"], row["supersedes"]) for row in checked["plan"]}
    assert rows == {
        "10.9.9.9": ("node_02.json", "sqdn-001", ["node_01.json"]),
        "10.9.9.8": ("node_03.json", "sqdn-002", []),
    }
    assert [path.name for path in world.nodes.iterdir()] == ["node_01.json"]


def test_a_node_that_fails_is_retried_alone_and_nothing_is_retried_where_none_failed(
    world: World, door: FrontDoor, machines: Machines
) -> None:
    world.configure(poll={"attempts": 3})
    machines.add(1)
    world.add_node(1)
    world.add_node(2)
    world.start()
    assert door.post("/deployments", {}).status == 201
    run = door.wait_for("web-")
    assert (run["outcome"], run["reason"], run["reasons"]) == ("failed", "nodes_unreachable", {"refused": 1})
    nodes = door.get("/deployments/latest/nodes")["nodes"]
    assert [(row["hostname"], row["state"]) for row in nodes] == [("sqdn-002", "failed"), ("sqdn-001", "up")]
    assert door.get("/deployments/latest/nodes?state=up")["matching"] == 1
    assert door.get("/deployments/latest/nodes?q=SQDN-002")["matching"] == 1
    assert door.get("/deployments/latest/nodes?reason=refused")["matching"] == 1
    machines.add(2)
    asked = door.post("/deployments", {"retry": "failed", "request_id": "again"})
    assert (asked.status, asked.json()["files"]) == (201, ["node_02.json"])
    second = door.wait_for("again")
    assert (second["outcome"], second["counts"]["total"]) == ("completed", 1)
    refused = door.post("/deployments", {"retry": "failed"})
    assert (refused.status, refused.json()["error"]) == (409, "conflict")
    compared = door.get(f"/deployments/{second['id']}/compare/{run['id']}")
    assert compared["failed_again"] == []
    assert {row["hostname"]: row["in"] for row in compared["nodes"]} == {"sqdn-001": "only_other", "sqdn-002": "both"}
    assert not compared["script"]["changed"]


def test_a_cancellation_is_for_the_deployment_that_it_names_and_may_be_repeated(
    world: World, served: FrontDoor
) -> None:
    world.add_node(1)
    line, _ = world.gate()
    world.write_script(line)
    served.post("/deployments", {"request_id": "first"})
    run = served.wait_for("first", "polling")
    other = f"{run['id'][:-4]}0999"
    assert served.call("POST", f"/deployments/{other}/cancel").status == 404
    assert served.post(f"/deployments/{run['id']}/cancel").status == 202
    again = served.call("POST", f"/deployments/{run['id']}/cancel").status
    assert again == 202 or world.report().is_finished
    assert served.wait_for("first")["outcome"] == "cancelled"
    refused = served.post(f"/deployments/{run['id']}/cancel")
    assert (refused.status, refused.json()["error"]) == (409, "finished")
    world.wait(lambda: not (world.markers / "deployment_cancel").exists(), "the marker gone")


def test_the_scripts_output_is_had_by_bytes_and_followed_to_its_end(world: World, served: FrontDoor) -> None:
    world.add_node(1)
    line, go_on = world.gate()
    world.write_script(f"echo one\n{line}\necho two")
    served.post("/deployments", {"request_id": "log"})
    run = served.wait_for("log", "polling")
    path = f"/deployments/{run['id']}/log"
    world.wait(lambda: served.call("GET", path).body == b"one\n", "the first line")
    part = served.call("GET", path, headers={"Range": "bytes=2-"})
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"e\n", "bytes 2-3/4")
    assert served.call("GET", path, headers={"Range": "bytes=4-"}).status == 416
    go_on()
    assert served.call("GET", f"{path}?follow").body == b"one\ntwo\n"


def test_node_files_are_listed_opened_and_retired(world: World, door: FrontDoor) -> None:
    world.add_node(1, hostname="sqdn-001")
    world.add_node(2, hostname="sqdn-001")
    world.put_node("node_03.json", "{")
    found = door.get("/nodes")
    rows = {row["file"]: (row["counts"], row["superseded_by"]) for row in found["nodes"]}
    assert rows == {"node_01.json": (False, "node_02.json"), "node_02.json": (True, None), "node_03.json": (True, None)}
    assert [item["code"] for item in found["nodes"][2]["problems"]] == ["not_json"]
    assert door.get("/nodes/node_02.json")["hostname"] == "sqdn-001"
    assert door.call("GET", "/nodes/node_03.json").status == 410
    retired = door.post("/nodes/sqdn-001/retire").json()
    assert (retired["retired"], retired["left"]) == (["node_01.json", "node_02.json"], 1)
    assert door.post("/nodes/sqdn-001/retire").status == 404


def test_every_reason_is_explained(door: FrontDoor) -> None:
    found = door.get("/reasons")
    assert set(found["nodes"]) == set(NodeReason)
    assert set(found["deployments"]) == set(Reason)
    assert all(item["why"].endswith(".") and item["do"] for table in found.values() for item in table.values())


@pytest.mark.parametrize(
    "body",
    [
        {"nodes": [], "files": ["node_01.json"]},
        {"files": []},
        {"files": ["../x"]},
        {"retry": "some"},
        {"of": "20261123T212455Z.0001"},
        {"surprise": 1},
        [],
        "text",
        None,
    ],
)
def test_an_order_that_is_no_order_is_refused_and_does_nothing(world: World, door: FrontDoor, body: Any) -> None:
    reply = door.call("POST", "/deployments", raw=json.dumps(body).encode())
    assert (reply.status, reply.json()["error"]) == (400, "bad_request")
    assert not world.requested()


def test_without_a_daemon_it_says_so_and_a_request_waits(world: World, door: FrontDoor) -> None:
    world.add_node(1)
    assert door.post("/deployments", {"request_id": "later"}).status == 201
    status = door.get("/status")
    assert (status["running"], status["waiting"]["request_id"]) == (False, "later")
    assert door.call("GET", "/status.txt").body == b"no daemon runs; idle; no deployment yet\n"
