import asyncio
import json
import logging
import os
import time
from pathlib import Path

import pytest
from paths import DATA

from pinakad.nodes.folder import MAX_FILES, MAX_LOGGED, STILL_S, NodesFolder, _read
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.problems import Code

GOOD = (DATA / "default.json").read_bytes()


def names(files: list[ParsedNodeFile] | str) -> list[str]:
    assert isinstance(files, list), files
    return sorted(file.name for file in files)


def test_only_node_files_are_read_and_what_else_ends_in_json_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("node_01.json", "node_1.json", "nodes.json", "node_01.json.swp", "README"):
        (tmp_path / name).write_bytes(GOOD)
    folder = NodesFolder(tmp_path)
    assert names(folder.scan(allow_loopback=False)) == ["node_01.json", "node_1.json"]
    folder.scan(allow_loopback=False)
    assert [record.getMessage() for record in caplog.records] == [
        "'nodes.json' is ignored: a node file is named node_<digits>.json"
    ]
    (tmp_path / "nodes.json").unlink()
    folder.scan(allow_loopback=False)
    (tmp_path / "nodes.json").write_bytes(GOOD)
    folder.scan(allow_loopback=False)
    assert len(caplog.records) == 2


def test_any_number_of_strange_names_costs_a_few_lines_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3000):
        (tmp_path / f"strange_{number:04d}.json").touch()
    folder = NodesFolder(tmp_path)
    for _ in range(2):
        assert folder.scan(allow_loopback=False) == []
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("'strange_0000.json', 'strange_0001.json', ")
    assert line.endswith(" and 2995 more are ignored: a node file is named node_<digits>.json")
    assert folder.ignored == [f"strange_{number:04d}.json" for number in range(5)]
    for number in range(2, 3000):
        (tmp_path / f"strange_{number:04d}.json").unlink()
    folder.scan(allow_loopback=False)
    assert len(caplog.records) == 3, "the few that are left are told one by one"


def test_any_number_of_problems_costs_a_few_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1, 1001):
        (tmp_path / f"node_{number}.json").mkdir()
    folder = NodesFolder(tmp_path)
    folder.scan(allow_loopback=False)
    for _ in range(2):
        folder.log_problems()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == MAX_LOGGED + 1
    assert lines[-1] == f"{1000 - MAX_LOGGED} more problems of node files; pinakactl validate tells all"


def test_names_that_may_be_meant_as_node_files_are_kept_for_the_answer(tmp_path: Path) -> None:
    for name in ("node1.json", "Node_02.json", "node_03.JSON", "node_04.json.txt", "node_05", ".node_06.json.swp", "x"):
        (tmp_path / name).write_bytes(GOOD)
    folder = NodesFolder(tmp_path)
    assert folder.scan(allow_loopback=False) == []
    assert folder.ignored == ["Node_02.json", "node1.json", "node_03.JSON", "node_04.json.txt", "node_05"]
    for path in tmp_path.iterdir():
        path.unlink()
    folder.scan(allow_loopback=False)
    assert folder.ignored == []


def test_a_file_that_did_not_change_is_not_read_again_and_one_that_did_is(tmp_path: Path) -> None:
    path = tmp_path / "node_01.json"
    path.write_bytes(GOOD)
    os.utime(path, (1, 1))
    folder = NodesFolder(tmp_path)
    (first,) = folder.scan(allow_loopback=False)
    (again,) = folder.scan(allow_loopback=False)
    assert again == first
    path.write_bytes(b"{}")
    (changed,) = folder.scan(allow_loopback=False)
    assert changed.raw == b"{}"
    path.unlink()
    assert folder.scan(allow_loopback=False) == []


def test_a_change_in_the_same_moment_and_of_the_same_size_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "node_01.json"
    folder = NodesFolder(tmp_path)
    for text in (b'{"a": 1}', b'{"a": 2}', b'{"a": 3}'):
        path.write_bytes(text)
        assert [file.raw for file in folder.scan(allow_loopback=False)] == [text]


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_no_file_is_a_problem_of_its_own(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "node_01.json"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        (tmp_path / "target").write_bytes(GOOD)
        path.symlink_to("target")
    else:
        os.mkfifo(path)
    (found,) = NodesFolder(tmp_path).scan(allow_loopback=False)
    assert [problem.code for problem in found.problems] == [Code.NOT_A_FILE]


def test_a_file_over_a_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node_01.json").write_bytes(b" " * (1024 * 1024 + 1))
    (found,) = NodesFolder(tmp_path).scan(allow_loopback=False)
    assert [problem.code for problem in found.problems] == [Code.TOO_LARGE]


def test_a_file_that_goes_between_two_looks_was_not_there(tmp_path: Path) -> None:
    (tmp_path / "node_01.json").write_bytes(GOOD)
    with os.scandir(tmp_path) as entries:
        (entry,) = entries
    entry.stat(follow_symlinks=False)
    (tmp_path / "node_01.json").unlink()
    assert _read(entry, None, allow_loopback=False) is None


def test_problems_are_told_when_a_file_arrives_or_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = NodesFolder(tmp_path)
    path = tmp_path / "node_01.json"
    for text in (b"[]", b"[]", b"[1]", GOOD):
        path.write_bytes(text)
        folder.scan(allow_loopback=False)
        folder.log_problems()
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert told == [
        (logging.ERROR, "node_01.json: a node file must be a JSON object (found [])"),
        (logging.ERROR, "node_01.json: a node file must be a JSON object (found [1])"),
    ]


async def test_files_that_parse_are_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "node_01.json").write_bytes(GOOD)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert names(await NodesFolder(tmp_path).read_for_good(allow_loopback=False)) == ["node_01.json"]
    assert loop.time() - began_s < STILL_S


async def test_a_writer_who_is_still_at_work_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "node_01.json"
    path.write_bytes(GOOD[:50])
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(NodesFolder(tmp_path).read_for_good(allow_loopback=False), name="read")
        asyncio.get_running_loop().call_later(0.3, path.write_bytes, GOOD)
    (found,) = reading.result()
    assert isinstance(found, ParsedNodeFile)
    assert found.problems == ()


async def test_a_writer_has_his_time_also_after_a_pause_of_ours(tmp_path: Path) -> None:
    """Where the whole machine was suspended, so was he."""
    path = tmp_path / "node_01.json"
    path.write_bytes(GOOD[:50])
    loop = asyncio.get_running_loop()

    def pause() -> None:
        time.sleep(1.5)
        loop.call_later(0.1, path.write_bytes, GOOD)

    loop.call_later(0.3, pause)
    (found,) = await NodesFolder(tmp_path).read_for_good(allow_loopback=False)
    assert isinstance(found, ParsedNodeFile)
    assert found.problems == ()


async def test_a_file_that_stays_broken_is_given_up_when_the_folder_has_been_still(tmp_path: Path) -> None:
    (tmp_path / "node_01.json").write_bytes(b"{")
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    (found,) = await NodesFolder(tmp_path).read_for_good(allow_loopback=False)
    assert isinstance(found, ParsedNodeFile)
    assert [problem.code for problem in found.problems] == [Code.NOT_JSON]
    assert STILL_S <= loop.time() - began_s < 3


@pytest.mark.looptime(start=0)
async def test_a_folder_that_stays_unreadable_is_given_up_after_ten_seconds(tmp_path: Path) -> None:
    found = await NodesFolder(tmp_path / "nowhere").read_for_good(allow_loopback=False)
    assert found == "no such file or directory"
    assert 10 <= asyncio.get_running_loop().time() < 11


async def test_a_folder_that_comes_back_is_read(tmp_path: Path) -> None:
    def come() -> None:
        (tmp_path / "new").mkdir()
        (tmp_path / "new" / "node_01.json").write_text(json.dumps({}))
        (tmp_path / "new").rename(tmp_path / "nodes")

    async with asyncio.TaskGroup() as group:
        reading = group.create_task(NodesFolder(tmp_path / "nodes").read_for_good(allow_loopback=False), name="read")
        asyncio.get_running_loop().call_later(0.15, come)
    assert names(reading.result()) == ["node_01.json"]


def test_what_a_folder_costs_is_bounded_however_many_names_one_file_has(tmp_path: Path) -> None:
    document = json.loads(GOOD) | {"comment": "x" * 1_000_000}
    first = tmp_path / "node_01.json"
    first.write_text(json.dumps(document), encoding="utf-8")
    for number in range(2, 800):
        (tmp_path / f"node_{number}.json").hardlink_to(first)
    folder = NodesFolder(tmp_path)
    with pytest.raises(OSError, match="more than 128 MiB of them"):
        folder.scan(allow_loopback=False)
    assert folder._known == {}
    for number in range(100, 800):
        (tmp_path / f"node_{number}.json").unlink()
    assert len(folder.scan(allow_loopback=False)) == 99


@pytest.mark.long
def test_the_number_of_node_files_is_bounded(tmp_path: Path) -> None:
    for number in range(MAX_FILES + 1):
        os.close(os.open(tmp_path / f"node_{number}.json", os.O_CREAT))
    with pytest.raises(OSError, match="more than 100000 node files"):
        NodesFolder(tmp_path).scan(allow_loopback=False)
