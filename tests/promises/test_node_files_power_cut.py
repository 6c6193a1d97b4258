"""The power goes while pinakactl works in the nodes folder: no node file is lost, and none is there by half."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import strace_log
from disk_model import Disk, Inode, Replay, Tree
from pinakactl import DEADLINE_S, PROGRAM, Operator, environment
from world import World


def snapshot(folder: Path) -> Tree:
    tree = Tree(roots={folder: 1}, inodes={1: Inode(is_folder=True)})
    for number, path in enumerate(sorted(folder.iterdir()), 2):
        tree.names[1, path.name] = number
        tree.inodes[number] = Inode(path.read_bytes())
    return tree


def states_after_a_cut(operator: Operator, *words: str | Path) -> Iterator[dict[str, bytes]]:
    """Run pinakactl; return what the nodes folder can hold after each cut: paths in it, and their content."""
    if strace_log.STRACE is None:
        pytest.skip("strace is not installed")
    world = operator.world
    disk, log = Disk(snapshot(world.nodes)), world.root / "strace"
    traced = [word for word in strace_log.command(log) if word != "-D"]  # it waits for the end of the log
    called = [*traced, *PROGRAM, "--config", str(world.config), *map(str, words)]
    own = environment(world.root, **operator.variables)
    subprocess.run(called, env=own, cwd=world.root, check=True, capture_output=True, timeout=DEADLINE_S)
    replay = Replay(disk)
    for call in strace_log.calls_of(log):
        replay.take(call)
    assert len(disk.operations) > 1, "nothing was recorded"
    for moment in range(disk.moments + 1):
        for state in disk.states_at(moment):
            files = {path: inode for path, inode in state.listing() if not state.inodes[inode].is_folder}
            files.pop(world.nodes / ".pinakad-lock", None)  # it says nothing once nobody holds it
            yield {str(path.relative_to(world.nodes)): state.inodes[inode].content for path, inode in files.items()}


def test_no_cut_of_a_retire_loses_a_node_file(world: World, operator: Operator) -> None:
    whole = {world.add_node(number, hostname="sqdn-001").name: b"" for number in (1, 2)}
    whole = {name: (world.nodes / name).read_bytes() for name in whole}
    tried, last = 0, {}
    for last in states_after_a_cut(operator, "retire", "sqdn-001"):
        for name, content in whole.items():
            assert content in (last.get(name), last.get(f"retired/{name}")), last.keys()
        tried += 1
    assert tried > len(whole)
    assert sorted(last) == ["retired/node_01.json", "retired/node_02.json"]


def test_no_cut_of_an_apply_leaves_half_a_node_file(world: World, operator: Operator) -> None:
    world.add_node(1)
    drafts = [operator.draft(f"{number}.json", operator.node(number)) for number in (2, 3)]
    whole = {json.dumps(operator.node(number)) for number in (1, 2, 3)}
    last: dict[str, bytes] = {}
    for last in states_after_a_cut(operator, "apply", *drafts):
        assert {last[name].decode() for name in last if name.startswith("node_")} <= whole
    assert sorted(last) == ["node_01.json", "node_02.json", "node_03.json"]
