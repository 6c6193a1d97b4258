"""Node files that would hide a machine are refused before anything is launched, by the real daemon."""

import json

import pytest
from forms import default
from pinakactl import pinakactl
from world import World


@pytest.fixture
def cluster(world: World) -> World:
    world.configure(poll={"attempts": 1, "interval_s": 0.1})
    world.add_node(1, hostname="ctrl-1", disk=["wwn-1"])
    return world


def refused(world: World, *codes: str) -> str:
    """Serve a request for all nodes; return the messages of the errors that refuse it."""
    report = world.serve()
    errors = [problem for problem in report.problems if problem.severity == "error"]
    assert (report.outcome, report.reason) == ("failed", "invalid_nodes")
    assert tuple(problem.code for problem in errors) == codes
    assert world.runs() == []
    return " ".join(problem.message for problem in errors)


def test_a_controller_whose_name_another_machine_has_now_does_not_vanish(cluster: World) -> None:
    cluster.add_node(2, hostname="CTRL-1", disk=["wwn-2"])
    cluster.start()
    message = refused(cluster, "hostname_reused")
    assert "node_02.json has the host name of node_01.json" in message
    assert "retire" in message
    cluster.add_node(2, hostname="CTRL-1", disk=["wwn-1"])
    report = cluster.serve()
    assert (report.reason, [node.file for node in report.nodes]) == ("nodes_unreachable", ["node_02.json"])


def test_one_machine_behind_two_spellings_is_not_polled_as_two(cluster: World) -> None:
    port = {"port": 2201}
    cluster.add_node(2, ssh={"address": "2001:db8::7"} | port)
    cluster.add_node(3, ssh={"address": "2001:0DB8:0:0::7"})
    cluster.configure(ssh={"port": 2201})
    cluster.start()
    assert "sqdn-003 (node_03.json) has the address of sqdn-002 (node_02.json)" in refused(cluster, "duplicate_address")


def test_an_address_with_a_slip_in_its_key_is_named(cluster: World) -> None:
    document = default("sqdn-002", cluster.address(2))
    properties = document["using_interfaces"]["interface_01"]["Properties"]
    properties["IP_ADRESS"] = properties.pop("IP_ADDRESS")
    cluster.put_node("node_02.json", json.dumps(document))
    cluster.start()
    assert "the field 'IP_ADDRESS' is missing; 'IP_ADRESS' is nearly it" in refused(
        cluster, "no_poll_address", "missing"
    )


def test_where_there_is_no_node_file_the_answer_names_what_is_ignored(world: World) -> None:
    world.start()
    world.put_node("node1.json", json.dumps(default("sqdn-001", world.address(1))))
    report = world.serve()
    assert report.reason == "no_nodes"
    assert report.message == ("there is no node file; 'node1.json' is ignored: a node file is named node_<digits>.json")


def test_a_marker_that_is_nearly_right_is_told_once_in_the_log_and_by_the_doctor(cluster: World) -> None:
    (cluster.markers.with_name("deployment_status")).mkdir()
    cluster.start()
    (cluster.markers / "deployment_inprogress").touch()
    text = "'deployment_inprogress' is ignored: a request is named 'deployment_in_progress'"
    cluster.wait_for_log(text)
    cluster.serve()
    cluster.wait_idle()
    assert cluster.log_text().count(text) == 1
    assert cluster.log_text().count("the folder 'deployment_status' beside") == 1
    done = pinakactl(
        cluster.root,
        "--config",
        cluster.config,
        "doctor",
        "--json",
        variables={"STATE_DIRECTORY": str(cluster.state), "RUNTIME_DIRECTORY": str(cluster.runtime)},
    )
    told = [item for item in json.loads(done.stdout)["findings"] if item["check"] == "markers"]
    assert [item["severity"] for item in told] == ["warning", "warning"]
    assert text in told[0]["message"]
    assert str(cluster.markers / "deployment_in_progress") in told[0]["remedy"]
