"""A ready_command may carry a secret, and everybody may read a report: what is in it, and does a run still go on?"""

import json

import pytest
from machines import Machines
from world import World

from pinakad.config import Config
from pinakad.report.document import Report, digest_of, policy_of

SECRET = "test -e {sign} && : token-7f3a9"


@pytest.fixture
def waiting(world: World, machines: Machines) -> World:
    """Give a world whose one node is not ready until `sign` is there; the daemon polls."""
    machines.add(1)
    world.add_node(1)
    world.configure(poll={"ready_command": SECRET.format(sign=world.root / "sign")})
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.reason == "not_ready")
    return world


def readable_by_all(world: World) -> str:
    places = [*world.state.rglob("*"), *world.runtime.rglob("*"), *world.markers.rglob("*")]
    files = [path for path in places if path.is_file() and path.stat().st_mode & 0o044]
    return "".join(path.read_text(encoding="utf-8", errors="replace") for path in files)


def test_nobody_else_can_read_it_and_a_restart_goes_on_with_it(waiting: World) -> None:
    command = SECRET.format(sign=waiting.root / "sign")
    assert waiting.report().policy.poll.ready_command == digest_of(command)
    assert "token-7f3a9" not in readable_by_all(waiting)
    waiting.kill()
    waiting.configure(poll={"ready_command": "exit 5"})
    waiting.start()
    before = waiting.report().nodes[0].attempts
    waiting.wait_for_node(1, lambda node: node.attempts > before + 1)
    assert waiting.report().nodes[0].message == "ready_command ended with status 1"
    (waiting.root / "sign").touch()
    assert waiting.answer().outcome == "completed"
    assert "token-7f3a9" not in readable_by_all(waiting) + waiting.log_text()


def test_a_report_of_an_earlier_version_goes_on_with_the_command_that_it_has(waiting: World) -> None:
    command = SECRET.format(sign=waiting.root / "sign")
    waiting.kill()
    folder = waiting.folder()
    (folder / "ready_command").unlink()
    for path in (folder / "report.json", folder / "report.durable.json"):
        document = json.loads(path.read_text(encoding="utf-8"))
        document["policy"]["poll"]["ready_command"] = command
        path.write_text(json.dumps(document), encoding="utf-8")
    waiting.configure(poll={"ready_command": ""})
    waiting.start()
    (waiting.root / "sign").touch()
    assert waiting.answer().outcome == "completed"


@pytest.mark.parametrize("content", [None, "true"])
def test_without_its_command_a_run_calls_no_node_up(waiting: World, content: str | None) -> None:
    waiting.kill()
    kept = waiting.folder() / "ready_command"
    kept.unlink()
    if content is not None:
        kept.write_text(content, encoding="utf-8")
    (waiting.root / "sign").touch()
    waiting.start()
    waiting.wait_for_node(1, lambda node: node.reason == "error" and "ready_command" in node.message)


def test_no_command_is_none_and_a_digest_is_none_of_it() -> None:
    policy = policy_of(Config.model_validate({"poll": {"ready_command": "systemctl is-active secret"}}))
    assert "secret" not in policy.model_dump_json()
    assert policy_of(Config()).poll.ready_command == ""
    assert Report.model_fields["policy"].annotation is type(policy)
