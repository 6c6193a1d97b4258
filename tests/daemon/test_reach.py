"""A question whether a login works: is it answered, only where it may be, and at no deployment's cost?"""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Any

import pytest
from machines import Machines
from pinakactl import Operator
from world import World

from pinakad.client.errors import NoAnswerError, NoDaemonError
from pinakad.client.reach import ask_reach
from pinakad.config import load
from pinakad.markers.names import REACH
from pinakad.markers.reach import MAX_BYTES, MOST_WAITING
from pinakad.report.reach import ReachAnswer


@pytest.fixture
def asked(world: World, machines: Machines) -> World:
    """Give a daemon that runs, with a node file of a machine that answers, and one that does not."""
    machines.add(1)
    world.add_node(1)
    world.add_node(2)
    world.start()
    return world


def ask(world: World, address: str, limit_s: float = 20) -> ReachAnswer:
    return ask_reach(load(world.config), world.state, world.runtime, address, limit_s)


def put(world: World, content: bytes, token: str | None = None) -> Path:
    """Put a question there as any producer may; return where its answer will be."""
    token = token or secrets.token_hex(16)
    (world.markers / f"{REACH}{token}").write_bytes(content)
    return world.runtime / "reach" / f"{token}.json"


def questions(world: World) -> list[str]:
    return [name for name in os.listdir(world.markers) if name.startswith(REACH)]  # noqa: PTH208 - names only


def test_a_machine_that_lets_us_in_is_reached_and_one_that_is_off_is_not(asked: World) -> None:
    found = ask(asked, asked.address(1))
    assert (found.reached, found.reason, found.hostname) == (True, None, "sqdn-001")
    assert found.boot_id
    found = ask(asked, asked.address(2))
    assert (found.reached, found.reason, found.rung) == (False, "refused", None)
    asked.wait(lambda: not questions(asked), "the questions gone")


def test_a_question_leaves_no_host_key_behind(asked: World) -> None:
    assert ask(asked, asked.address(1)).host_key == "new"
    assert ask(asked, asked.address(1)).host_key == "new"
    assert not (asked.state / "known_hosts").exists()


@pytest.mark.parametrize("address", ["192.0.2.7", "127.0.0.1", "::1"])
def test_no_address_outside_the_networks_is_asked(asked: World, address: str) -> None:
    found = ask(asked, address)
    assert (found.reached, found.refused) == (False, "outside")
    assert "reach_networks" in found.message


def test_the_operator_says_which_networks(world: World, machines: Machines) -> None:
    machines.add(1)
    world.configure(ssh={"reach_networks": [f"{world.address(1)}/32"]})
    world.start()
    assert ask(world, world.address(1)).reached
    assert ask(world, world.address(2)).refused == "outside"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"10.0.0.1",
        b'{"address": 5}',
        b'{"address": "no address"}',
        b'{"address": "10.0.0.1", "command": "reboot"}',
        b'{"address": "10.0.0.1"}' + b" " * MAX_BYTES,
        b'{"address": "10.0.0.1", "port": 0}',
        b"\xff\xfe",
        b'{"address": "1", "address": "10.0.0.1"}',
    ],
)
def test_what_is_no_question_is_answered_so_and_removed(asked: World, content: bytes) -> None:
    answer = put(asked, content)
    asked.wait(answer.exists, "an answer")
    assert json.loads(answer.read_bytes())["refused"] == "invalid"
    asked.wait(lambda: not questions(asked), "the question gone")


def test_hostile_entries_hold_nobody_up(asked: World) -> None:
    (asked.markers / f"{REACH}{'a' * 16}").mkdir()
    (asked.markers / f"{REACH}{'b' * 16}").symlink_to(asked.key)
    os.mkfifo(asked.markers / f"{REACH}{'c' * 16}")
    (asked.markers / f"{REACH}../x".replace("/", "-")).write_bytes(b"{}")
    full = asked.markers / f"{REACH}{'d' * 16}"
    full.mkdir()
    (full / "file").touch()
    old = asked.markers / f"{REACH}{'e' * 16}"
    old.write_bytes(b'{"address": "%s"}' % asked.address(1).encode())
    os.utime(old, (time.time() - 61, time.time() - 61))
    assert ask(asked, asked.address(1)).reached
    for name in ("a", "b", "c", "d"):
        answer = asked.runtime / "reach" / f"{name * 16}.json"
        asked.wait(answer.exists, f"an answer to {name}")
        text = answer.read_text(encoding="utf-8")
        assert json.loads(text)["refused"] == "invalid"
        assert "PRIVATE KEY" not in text
    asked.wait(lambda: not old.exists(), "the old question gone")
    assert not (asked.runtime / "reach" / f"{'e' * 16}.json").exists()
    (asked.nodes / "node_02.json").unlink()
    assert asked.serve().outcome == "completed"  # the marker loop goes on


def test_a_flood_of_questions_delays_no_deployment(asked: World) -> None:
    for _ in range(500):
        put(asked, b'{"address": "%s"}' % asked.address(1).encode())
    (asked.nodes / "node_02.json").unlink()
    began_s = time.monotonic()
    report = asked.serve()
    assert report.outcome == "completed"
    assert time.monotonic() - began_s < 10
    answers = [json.loads(path.read_bytes()) for path in (asked.runtime / "reach").iterdir()]
    assert sum(answer["refused"] == "too_many" for answer in answers) >= 500 - MOST_WAITING - 60
    reached = [answer for answer in answers if answer["reached"]]
    assert len(reached) <= 4 * (time.monotonic() - began_s) + 2


def test_whoever_asks_is_told_where_no_daemon_runs_or_answers(world: World, machines: Machines) -> None:
    with pytest.raises(NoDaemonError, match="no daemon runs"):
        ask(world, "10.0.0.1")
    world.start()
    assert world.daemon is not None
    world.daemon.send_signal(19)  # SIGSTOP
    with pytest.raises(NoAnswerError, match=r"has not said within 0.3 s"):
        ask(world, "10.0.0.1", 0.3)
    assert questions(world) == []
    world.daemon.send_signal(18)


def test_pinakactl_reach_says_it_in_a_line(asked: World, operator: Operator) -> None:
    done = operator.call("reach", "sqdn-001")
    assert (done.returncode, done.stdout) == (0, "sqdn-001: the login works, it names itself sqdn-001\n")
    done = operator.call("reach", asked.address(2))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{asked.address(2)}: refused")
    assert "systemctl status ssh" in done.stdout
    found: dict[str, Any] = json.loads(operator.call("reach", "SQDN-002", "--json").stdout)
    assert (found["reached"], found["reason"]) == (False, "refused")
    done = operator.call("reach", "nobody")
    assert done.returncode == 2
    assert "cannot find a node 'nobody'" in done.stderr
