"""Is what is applied stored whole and once, and is its deployment asked for?"""

import grp
import json
import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from machines import Machines
from pinakactl import Operator, ended
from world import World


def hostnames(folder: Path) -> dict[str, str]:
    """Return the host name of each node file; each is whole."""
    return {path.name: json.loads(path.read_bytes())["hostname"] for path in folder.glob("node_*.json")}


# --- what is stored


@pytest.mark.parametrize("form", ["one", "list", "by address"])
def test_what_producers_write_is_stored_deployed_and_followed_to_its_verdict(
    world: World, machines: Machines, operator: Operator, form: str
) -> None:
    nodes = [operator.node(number) for number in ((1,) if form == "one" else (1, 2))]
    for number in range(1, len(nodes) + 1):
        machines.add(number)
    documents = {"one": nodes[0], "list": nodes, "by address": {world.address(n): node for n, node in enumerate(nodes)}}
    world.start()
    done = operator.call("apply", "-", "--wait", "--request-id", "ticket 7", stdin=json.dumps(documents[form]))
    assert (done.returncode, operator.files()) == (0, [f"node_0{n}.json" for n in range(1, len(nodes) + 1)])
    report = world.report()
    assert report.request.id == "ticket 7"
    assert report.request.nodes == operator.files()
    assert f"completed: {len(nodes)} of {len(nodes)} nodes up, " in done.stdout
    assert [json.loads((world.nodes / name).read_bytes()) for name in operator.files()] == nodes


def test_a_file_with_one_node_is_stored_byte_by_byte_under_the_number_after_the_highest(operator: Operator) -> None:
    world = operator.world
    world.add_node(3)
    world.add_node(99)
    text = json.dumps(operator.node(7), indent=7) + "\n\n"
    draft = world.drafts / "draft.json"
    draft.write_text(text, encoding="utf-8")
    done = operator.call("apply", draft)
    assert done.returncode == 0
    assert operator.files() == ["node_03.json", "node_100.json", "node_99.json"]
    stored = world.nodes / "node_100.json"
    assert stored.read_text(encoding="utf-8") == text
    assert stored.stat().st_mode & 0o777 == 0o664
    assert operator.asked()["nodes"] == ["node_100.json"]
    assert "no daemon runs: it is served when one is started, systemctl start pinakad" in done.stderr


def test_one_bad_node_keeps_all_of_them_out_and_every_problem_is_told(operator: Operator) -> None:
    world = operator.world
    world.add_node(1)
    same_address = operator.node(1, hostname="other")
    documents = [operator.node(2), operator.node(3, hostname="-"), same_address, operator.node(4, disk="none")]
    done = operator.call("apply", "-", operator.draft("twice.json", operator.node(2)), stdin=json.dumps(documents))
    assert (done.returncode, done.stdout, operator.files()) == (1, "", ["node_01.json"])
    assert not world.requested()
    for text in ("stdin[2] /hostname: ", "stdin[4] /disk: ", "sqdn-001 (node_01.json)", "leave one of them out"):
        assert text in done.stderr
    assert done.stderr.endswith("pinakactl: nothing was stored\n")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "cannot read the file as JSON"),
        ('{"a": 1, "a": 2}', 'the key "a" occurs twice'),
        ("[]", "and it has none"),
        ("{}", "is needed and missing"),
        ("7", "and it has none"),
        ("[7]", "a node file must be a JSON object"),
        ('{"10.0.0.1": {}}', "the field 'hostname' is needed"),
    ],
)
def test_what_is_no_node_is_refused_with_its_cause(operator: Operator, text: str, cause: str) -> None:
    done = operator.call("apply", "-", stdin=text)
    assert (done.returncode, operator.files()) == (1, [])
    assert cause in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_tells_what_would_be_stored_superseded_and_polled_and_does_nothing(operator: Operator) -> None:
    world = operator.world
    world.add_node(1)
    world.add_node(2)
    done = operator.call("apply", "-", "--dry-run", stdin=json.dumps([operator.node(2), operator.node(3)]))
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert rows == [
        ["node_03.json", "sqdn-002", world.address(2), "stdin[1]", "node_02.json"],
        ["node_04.json", "sqdn-003", world.address(3), "stdin[2]", "-"],
    ]
    assert (done.returncode, operator.files(), world.requested()) == (0, ["node_01.json", "node_02.json"], False)


def test_a_killed_apply_leaves_no_half_file_and_the_next_one_cleans_up(operator: Operator) -> None:
    world = operator.world
    nodes = [operator.node(number) for number in range(1, 201)]
    (world.nodes / ".pinakad-draft-dead-0").write_text("{", encoding="utf-8")
    first = operator.begin("apply", operator.draft("many.json", nodes))
    world.wait(lambda: any(name.startswith("node_") for name in operator.files()), "a file")
    first.kill()
    first.wait()
    assert set(hostnames(world.nodes).values()) <= {node["hostname"] for node in nodes}
    assert not world.requested() or len(operator.asked()["nodes"]) == 200
    assert operator.call("apply", operator.draft("many.json", nodes)).returncode == 0
    assert all(name.startswith("node_") for name in operator.files())
    assert [name for name in os.listdir(world.markers) if name != "deployment_in_progress"] == []  # noqa: PTH208 - hidden ones too


def test_where_the_folder_may_not_be_written_the_group_is_told_that_may(operator: Operator) -> None:
    world = operator.world
    operator.give_up_rights()
    if os.geteuid() == 0:
        world.nodes.chmod(0o775)
        os.chown(world.nodes, 1, 1)
    else:
        world.nodes.chmod(0o575)
    group = grp.getgrgid(world.nodes.stat().st_gid).gr_name
    code, _, err = ended(operator.begin("apply", operator.draft("n.json", operator.node(1))))
    assert (code, operator.files(), world.requested()) == (1, [], False)
    assert f"permission denied; join the group '{group}' (usermod -aG {group} YOU), or use sudo" in err


# --- two at the same moment


def test_two_at_the_same_moment_lose_and_double_nothing(world: World, operator: Operator) -> None:
    world.write_script("exit 3")
    world.configure(poll={"reboot": "ignore"})
    world.start()
    drafts = [
        operator.draft(f"{half}.json", [operator.node(number) for number in range(half, half + 50)])
        for half in (1, 101)
    ]
    found = [ended(process) for process in [operator.begin("apply", draft, "--wait") for draft in drafts]]
    assert [code for code, _, _ in found] == [1, 1], found
    world.wait_idle()
    names = hostnames(world.nodes)
    assert sorted(names) == sorted(f"node_{number:02d}.json" for number in range(1, 101))
    assert sorted(names.values()) == sorted(f"sqdn-{n:03d}" for half in (1, 101) for n in range(half, half + 50))
    served = [node.file for identifier in world.deployments() for node in world.report(identifier).nodes]
    assert sorted(served) == sorted(names)


def test_a_producer_that_stores_files_meanwhile_overwrites_nothing_and_is_not_overwritten(operator: Operator) -> None:
    world = operator.world
    stop = threading.Event()
    theirs: list[str] = []

    def produce() -> None:
        while not stop.is_set():
            number = len(hostnames(world.nodes)) + 1
            name = f"node_{number:02d}.json"
            draft = world.drafts / "theirs"
            draft.write_text(json.dumps(operator.node(number, hostname=f"theirs-{number}")), encoding="utf-8")
            with suppress(FileExistsError):
                os.link(draft, world.nodes / name)
                theirs.append(name)
            draft.unlink()
            stop.wait(0.05)

    producer = threading.Thread(target=produce)
    producer.start()
    mine = [operator.node(1000 + n) | {"ssh": {"address": f"10.9.8.{n}"}} for n in range(1, 100)]
    for node in mine:
        node["using_interfaces"]["interface_01"]["Properties"] = {}
    done = operator.call("apply", "-", stdin=json.dumps(mine))
    stop.set()
    producer.join()
    names = hostnames(world.nodes)
    assert done.returncode == 0, done.stderr
    assert {names[name] for name in theirs} == {f"theirs-{name[5:-5].lstrip('0')}" for name in theirs}
    assert [names[name] for name in operator.asked()["nodes"]] == [node["hostname"] for node in mine]


# --- a request that waits already


def test_a_request_that_waits_and_ours_become_one_and_both_are_told_its_verdict(
    world: World, operator: Operator
) -> None:
    world.write_script("exit 3")
    drafts = [operator.draft(f"{number}.json", operator.node(number)) for number in (1, 2)]
    waiting = [operator.begin("apply", drafts[0], "--wait", "--request-id", "first")]
    world.wait(world.requested, "a request")
    waiting.append(operator.begin("apply", drafts[1], "--wait", "--request-id", "second"))
    world.wait(lambda: operator.asked()["nodes"] == ["node_01.json", "node_02.json"], "both in one")
    world.start()
    found = [ended(process) for process in waiting]
    assert [code for code, _, _ in found] == [1, 1]
    assert "together with a request that was not served yet" in found[1][1]
    assert len(world.deployments()) == 1
    assert world.report().request.id == "first second"


def test_an_unserved_request_for_all_nodes_stays_one(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.touch()
    assert operator.call("apply", operator.draft("2.json", operator.node(2)), "--request-id", "x").returncode == 0
    assert operator.asked() == {"request_id": "x"}


def test_the_file_that_is_superseded_is_replaced_in_a_request_that_waits(world: World, operator: Operator) -> None:
    world.write_script("exit 3")
    world.add_node(1)
    world.write(json.dumps({"nodes": ["node_01.json"], "request_id": "theirs"}))
    waiting = operator.begin("apply", operator.draft("1.json", operator.node(1)), "--wait")
    world.wait(lambda: operator.asked()["nodes"] == ["node_02.json"], "the newer file")
    world.start()
    assert ended(waiting)[0] == 1
    assert world.report().reason == "script_failed"


def test_ids_that_do_not_fit_together_leave_the_first_in_its_place(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.write(json.dumps({"nodes": ["node_01.json"], "request_id": "x" * 200}))
    done = operator.call("apply", operator.draft("2.json", operator.node(2)), "--request-id", "second")
    assert operator.asked() == {"nodes": ["node_01.json", "node_02.json"], "request_id": "x" * 200}
    assert f"request {'x' * 200}" in done.stdout


def test_an_unsound_request_that_waits_is_not_written_over_and_nothing_is_stored(
    world: World, operator: Operator
) -> None:
    world.write("what?")
    done = operator.call("apply", operator.draft("1.json", operator.node(1)))
    assert (done.returncode, operator.files()) == (1, [])
    assert "waits to be served and is no sound request" in done.stderr
    assert (world.markers / "deployment_in_progress").read_text(encoding="utf-8") == "what?"


def test_while_a_deployment_runs_the_next_one_is_asked_for_and_each_node_is_served_once(
    world: World, machines: Machines, operator: Operator
) -> None:
    for number in (1, 2):
        machines.add(number)
    line, go_on = world.gate()
    world.write_script(f"[ -e {world.root}/second ] || {{ touch {world.root}/second; {line}; }}")
    world.start()
    first = operator.begin("apply", operator.draft("1.json", operator.node(1)), "--wait")
    world.wait(world.runs, "a run")
    second = operator.begin("apply", operator.draft("2.json", operator.node(2)), "--wait")
    world.wait(lambda: operator.asked()["nodes"] == ["node_02.json"], "the second request")
    go_on()
    assert [ended(process)[0] for process in (first, second)] == [0, 0]
    served = [[node.file for node in world.report(identifier).nodes] for identifier in world.deployments()]
    assert served == [["node_01.json"], ["node_02.json"]]


def test_whoever_writes_over_our_request_serves_it_and_we_are_told_that_verdict(
    world: World, operator: Operator
) -> None:
    world.write_script("exit 3")
    waiting = operator.begin("apply", operator.draft("1.json", operator.node(1)), "--wait")
    world.wait(world.requested, "a request")
    world.write("")
    world.start()
    code, out, _ = ended(waiting)
    assert (code, world.report().request.id) == (1, None)
    assert world.deployments()[0] in out
