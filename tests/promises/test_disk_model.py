"""What the model of a disk takes for possible after a power cut, and what not."""

from pathlib import Path

import pytest
from disk_model import Disk, Inode, Replay, Tree
from strace_log import Call

ROOT = Path("/disk")
CREATE = "O_WRONLY|O_CREAT|O_EXCL"
Listing = frozenset[tuple[str, bytes]]


def call(name: str, *arguments: str, at: int, lasts: int = 0) -> Call:
    return Call(at * 1000, (at + lasts) * 1000, name, arguments)


def create(name: str, at: int) -> Call:
    return call("openat", "AT_FDCWD</>", f'"/disk/{name}"', CREATE, at=at)


def write(name: str, text: str, at: int) -> Call:
    return call("write", f"3</disk/{name}>", f'"{text}"', str(len(text)), at=at)


def sync(name: str, at: int, lasts: int = 0) -> Call:
    return call("fsync", f"3</disk{name}>", at=at, lasts=lasts)


def rename(source: str, target: str, at: int) -> Call:
    return call("rename", f'"/disk/{source}"', f'"/disk/{target}"', at=at)


def disk(*calls: Call) -> Disk:
    made = Disk(Tree({ROOT: 1}, {}, {1: Inode(is_folder=True)}))
    replay = Replay(made)
    for one in calls:
        replay.take(one)
    return made


def last_states(*calls: Call) -> set[Listing]:
    """Return what a cut after the last of the calls can leave."""
    made = disk(*calls)
    return {
        frozenset((path.name, state.inodes[inode].content) for path, inode in state.listing())
        for state in made.states_at(made.moments)
    }


def one(*files: tuple[str, bytes]) -> Listing:
    return frozenset(files)


def test_what_is_not_synced_is_there_or_not_or_torn() -> None:
    states = last_states(create("a", 1), write("a", "text", 2))
    assert states == {one(), *(one(("a", content)) for content in (b"", b"te", b"text", bytes(4)))}


def test_a_file_that_was_synced_has_its_content_wherever_its_name_is() -> None:
    assert last_states(create("a", 1), write("a", "text", 2), sync("/a", 3)) == {one(), one(("a", b"text"))}


def test_a_name_is_durable_when_its_folder_was_synced() -> None:
    states = last_states(create("a", 1), write("a", "text", 2), sync("/a", 3), sync("", 4))
    assert states == {one(("a", b"text"))}


def test_a_sync_is_for_what_was_done_before_it_began() -> None:
    assert one() in last_states(sync("", 1, lasts=9), create("a", 2))


def test_a_rename_is_there_at_both_names_or_at_none() -> None:
    states = last_states(create("a", 1), sync("", 2), rename("a", "b", 3))
    assert states == {one(("a", b"")), one(("b", b""))}


def test_two_names_of_a_folder_come_in_any_order() -> None:
    link = call("link", '"/disk/a"', '"/disk/b"', at=3)
    unlink = call("unlink", '"/disk/a"', at=4)
    states = last_states(create("a", 1), sync("", 2), link, unlink)
    assert states == {one(("a", b"")), one(("a", b""), ("b", b"")), one(("b", b"")), one()}


def test_what_is_done_at_one_name_comes_in_its_order() -> None:
    unlink = call("unlink", '"/disk/a"', at=4)
    states = last_states(create("a", 1), write("a", "old", 2), sync("/a", 3), sync("", 3), unlink, create("a", 5))
    assert states == {one(("a", b"old")), one(), one(("a", b""))}


@pytest.mark.parametrize("name", ["ftruncate", "sendfile", "copy_file_range", "writev"])
def test_a_call_that_there_is_no_model_of_does_not_go_unnoticed(name: str) -> None:
    with pytest.raises(ValueError, match="there is no model of"):
        disk(create("a", 1), call(name, "3</disk/a>", "7", at=2))
