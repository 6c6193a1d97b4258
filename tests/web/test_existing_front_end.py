"""A front end that exists already does what its screens do: is it served, and never told of a success that was none?"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from forms import default
from front_door import FrontDoor, Reply
from machines import Machines
from world import World

ORIGIN = "http://ops.example:3000"
ABORT_S = 10.0
TRIES = 4


class Screens:
    """What the screens of that front end do: no credentials, ten seconds for each call, four tries, true -> false."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self.was_in_progress = False
        self.succeeded = False
        self.messages: list[str] = []

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """Call as a page of its own origin does."""
        headers = {"Origin": ORIGIN, "Sec-Fetch-Site": "cross-site"}
        began_s = time.monotonic()
        reply = self._door.call(method, f"/{path}", body, headers, unix=False)
        assert time.monotonic() - began_s < ABORT_S
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        return reply

    def apply(self, nodes: Any) -> Reply:
        """Click Apply Changes."""
        self.was_in_progress = self.succeeded = False
        return self.call("POST", "/store-deployment-configs", nodes)

    def look(self) -> Any:
        """Ask how it stands; the change from true to false is success, what is no boolean is ignored."""
        found = self.call("GET", "/node-deployment-progress").json()
        state = found["in_progress"]
        if isinstance(state, bool):
            self.succeeded = self.succeeded or (self.was_in_progress and not state)
            self.was_in_progress = state
        elif found.get("message"):
            self.messages.append(found["message"])
        return found

    def is_up(self, address: str) -> bool:
        """Ask for a node, four times at most."""
        for _ in range(TRIES):
            found = self.call("GET", f"/check-ssh-status?ip={address}").json()
            assert (found["ip"], found["response_validated"]) == (address, True)
            if found["status"] == "success":
                return True
            assert found["status"] == "fail"
        return False


@pytest.fixture
def screens(world: World, machines: Machines) -> Iterator[Screens]:
    """Give the screens of a front end whose origin is configured, a daemon that runs, and one node that answers."""
    machines.add(1)
    world.configure(poll={"attempts": 4}, **{"web.compat": {"enabled": True, "origins": [ORIGIN]}})
    door = FrontDoor(world)
    door.start()
    world.start()
    yield Screens(door)
    door.close()


def node(world: World, number: int) -> dict[str, Any]:
    return default(f"sqdn-{number:03d}", world.address(number))


def watch_to_the_end(world: World, screens: Screens) -> Any:
    def over() -> Any:
        found = screens.look()
        return found if found["in_progress"] is not True else None

    return world.wait(over, "the end", 60)


def test_a_deployment_that_completes_is_a_success(world: World, screens: Screens) -> None:
    assert screens.look()["in_progress"] is None
    stored = screens.apply({"10.77.77.77": node(world, 1)})
    assert stored.status == 200
    document = stored.json()
    assert document["results"] == [{"node": "10.77.77.77", "file": "node_01.json", "status": "success"}]
    assert (document["deployment_script"], document["success"]) == ("started", True)
    assert document["marker"] == str(world.markers / "deployment_in_progress")
    assert watch_to_the_end(world, screens) == {"in_progress": False}
    assert screens.succeeded
    kept = json.loads((world.nodes / "node_01.json").read_bytes())
    assert kept["ssh"] == {"current": "10.77.77.77"}
    assert screens.is_up(world.address(1))
    assert screens.call("GET", "/ssh-polling-status").json()["results"][0]["status"] == "success"


def test_the_present_address_is_not_kept_where_it_is_the_polled_one(world: World, screens: Screens) -> None:
    screens.apply({world.address(1): node(world, 1)})
    assert "ssh" not in json.loads((world.nodes / "node_01.json").read_bytes())


def test_a_deployment_that_fails_is_never_a_success_and_its_reason_is_a_sentence(
    world: World, screens: Screens
) -> None:
    screens.apply([node(world, 1), node(world, 2)])
    found = watch_to_the_end(world, screens)
    assert (found["in_progress"], found["outcome"], found["reason"]) == (None, "failed", "nodes_unreachable")
    assert "retry those that failed" in found["message"]
    assert not screens.succeeded
    assert not screens.is_up(world.address(2))


def test_a_cancelled_deployment_and_one_that_is_refused_are_no_success(world: World, screens: Screens) -> None:
    line, _ = world.gate()
    world.write_script(line)
    screens.apply([node(world, 1)])
    world.wait(lambda: screens.look()["in_progress"] is True and world.runs(), "the script")
    world.cancel()
    assert watch_to_the_end(world, screens)["outcome"] == "cancelled"
    world.script.unlink()
    time.sleep(1)  # one order a second is taken
    screens.apply([node(world, 1)])
    world.wait(lambda: screens.look().get("reason") == "script_not_found", "the refusal")
    assert not screens.succeeded


@pytest.mark.parametrize("body", [None, {}, [], "text", 5])
def test_what_is_no_data_is_said_in_that_back_ends_words(screens: Screens, body: Any) -> None:
    reply = screens.call("POST", "/store-deployment-configs", body if body is not None else None)
    if body is None:
        reply = screens._door.call("POST", "//store-deployment-configs", raw=b"null", unix=False)
    assert (reply.status, reply.json()) == (400, {"error": "Invalid data format"})


def test_where_one_node_is_wrong_nothing_is_stored_and_each_node_says_why(world: World, screens: Screens) -> None:
    wrong = node(world, 2)
    wrong["using_interfaces"]["interface_01"]["Properties"]["Netmask"] = "255.0.255.0"
    reply = screens.apply({world.address(1): node(world, 1), world.address(2): wrong})
    document = reply.json()
    assert (reply.status, document["success"]) == (400, False)
    assert document["error"].startswith("Nothing was stored: ")
    assert "Netmask" in document["error"]
    results = {row["node"]: (row["status"], row["error"]) for row in document["results"]}
    assert results[world.address(1)] == ("error", "not stored")
    assert "Netmask" in results[world.address(2)][1]
    assert not list(world.nodes.iterdir())
    assert not world.requested()


def test_an_address_is_asked_for_by_the_daemon_only_where_nodes_are(
    world: World, screens: Screens, machines: Machines
) -> None:
    world.add_node(1)
    machines.add(3)
    found = screens.call("GET", f"/check-ssh-status?ip={world.address(3)}").json()
    assert (found["status"], found["message"]) == ("success", "the login works")
    found = screens.call("GET", f"/check-ssh-status?ip={world.address(4)}").json()
    assert found["status"] == "fail"
    found = screens.call("GET", "/check-ssh-status?ip=192.0.2.1").json()
    assert "in none of the networks" in found["message"]
    reply = screens.call("GET", "/check-ssh-status")
    assert (reply.status, reply.json()) == (400, {"error": "Missing IP parameter"})


def test_older_builds_are_served_from_the_same_facts(world: World, screens: Screens) -> None:
    asked = screens.call("POST", "/poll-ssh-status", {"ips": [world.address(1)]})
    assert asked.json()["success"] is True
    assert screens.call("GET", "/ssh-polling-status").json()["results"] == []
    assert screens.call("POST", "/cleanup-ssh-results", {}).json()["success"] is True


def test_they_are_not_there_where_they_are_not_enabled_and_never_for_another_origin(
    world: World, machines: Machines, screens: Screens
) -> None:
    other = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    reply = screens._door.call("POST", "//store-deployment-configs", [node(world, 1)], other, unix=False)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers
    screens._door.close()
    world.configure(**{"web.compat": {"enabled": False}})
    (world.root / "http.sock").unlink()
    door = FrontDoor(world)
    door.start()
    assert door.call("POST", "//store-deployment-configs", [node(world, 1)]).status == 404
    door.close()
