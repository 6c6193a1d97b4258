import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.markers.request import Identity, Request, parse_request
from pinakad.markers.settling import OPEN_LIMIT_S, QUIET_S
from pinakad.nodes.strict_json import MAX_BYTES
from pinakad.problems import MAX_PROBLEMS, Code
from pinakad.report.request import RequestDocument, RequestPart


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


def look(markers: Markers) -> Request:
    found = markers.read()
    assert found is not None
    return found


@pytest.mark.parametrize("raw", [b"", b" \n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf \r\n"])
def test_an_empty_request_means_every_node_file(raw: bytes) -> None:
    document, problems = parse_request(raw)
    assert problems == []
    assert document == RequestDocument.model_construct(nodes=None, request_id=None)


@pytest.mark.parametrize(
    ("text", "nodes", "request_id"),
    [
        ('{"nodes": ["node_05.json"]}', ["node_05.json"], None),
        (
            '{"nodes": ["node_05.json", "node_1.json"], "request_id": "a b \\u2603"}',
            ["node_05.json", "node_1.json"],
            "a b \u2603",
        ),
        ('\ufeff{"request_id": ""}\n', None, ""),
        (json.dumps({"request_id": "x" * 200}), None, "x" * 200),
    ],
)
def test_a_request_names_files_and_a_text_of_its_own(
    text: str, nodes: list[str] | None, request_id: str | None
) -> None:
    document, problems = parse_request(text.encode())
    assert problems == []
    assert document is not None
    assert (document.nodes, document.request_id) == (nodes, request_id)


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (b"all", Code.NOT_JSON, ""),
        (b"\0", Code.NOT_JSON, ""),
        (b"\xff", Code.NOT_UTF8, ""),
        (b"[]", Code.NOT_AN_OBJECT, ""),
        (b'"node_01.json"', Code.NOT_AN_OBJECT, ""),
        (b"{}", Code.BAD_VALUE, ""),
        (b'{"nodes": null}', Code.BAD_VALUE, ""),
        (b'{"nodes": []}', Code.BAD_VALUE, "/nodes"),
        (b'{"nodes": "node_01.json"}', Code.WRONG_TYPE, "/nodes"),
        (b'{"nodes": [1]}', Code.WRONG_TYPE, "/nodes/0"),
        (b'{"nodes": ["../node_01.json"]}', Code.BAD_VALUE, "/nodes/0"),
        (b'{"nodes": ["node_01.json\\n"]}', Code.BAD_VALUE, "/nodes/0"),
        ('{"nodes": ["node_\u0661.json"]}'.encode(), Code.BAD_VALUE, "/nodes/0"),
        (b'{"nodes": ["node_01.json", "node_01.json"]}', Code.BAD_VALUE, "/nodes"),
        (b'{"nodes": ["node_01.json"], "nodes": ["node_02.json"]}', Code.DUPLICATE_KEY, ""),
        (b'{"nodes": ["node_01.json"], "force": true}', Code.UNKNOWN_KEY, "/force"),
        (b'{"request_id": 5}', Code.WRONG_TYPE, "/request_id"),
        (json.dumps({"request_id": "x" * 201}).encode(), Code.BAD_VALUE, "/request_id"),
        (b" " * (MAX_BYTES + 1), Code.TOO_LARGE, ""),
        (b'{"request_id": "' + b"x" * MAX_BYTES + b'"}', Code.TOO_LARGE, ""),
    ],
)
def test_anything_else_is_refused_with_its_place(raw: bytes, code: Code, path: str) -> None:
    document, problems = parse_request(raw)
    assert document is None
    assert [(item.code, item.path, item.file) for item in problems] == [(code, path, REQUEST)]


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("node_01.json"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["nodes", "request_id", "x"]), inner),
)


@given(st.binary(max_size=40) | _ANY.map(lambda value: json.dumps(value).encode()))
def test_a_request_of_any_content_is_understood_or_refused(raw: bytes) -> None:
    document, problems = parse_request(raw)
    assert (document is None) is bool(problems)
    assert document is None or document.nodes is None or document.nodes


def test_no_file_is_no_request(markers: Markers) -> None:
    assert markers.read() is None
    assert not markers.is_requested()


def test_the_identity_is_inode_mtime_size_and_content(markers: Markers, tmp_path: Path) -> None:
    marker = tmp_path / REQUEST
    marker.write_text('{"request_id": "a"}')
    first = look(markers).identity
    assert look(markers).identity == first
    status = marker.stat()
    os.utime(marker, ns=(0, status.st_mtime_ns - 1))
    older = look(markers).identity
    assert older != first  # different, not newer, is what counts
    os.utime(marker, ns=(0, status.st_mtime_ns))
    assert look(markers).identity == first
    marker.write_text('{"request_id": "b"}')
    os.utime(marker, ns=(0, status.st_mtime_ns))
    assert look(markers).identity != first
    (tmp_path / "new").write_text('{"request_id": "a"}')
    os.utime(tmp_path / "new", ns=(0, status.st_mtime_ns))
    (tmp_path / "new").replace(marker)
    assert look(markers).identity.inode != first.inode


def test_a_hard_link_beside_the_request_does_not_change_it(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    before = look(markers).identity
    os.link(tmp_path / REQUEST, tmp_path / "another")
    assert look(markers).identity == before


def test_the_identity_survives_the_report(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).write_text('{"nodes": ["node_01.json"], "request_id": "r"}')
    request = look(markers)
    part = RequestPart.model_validate_json(request.part().model_dump_json())
    assert Identity.of(part) == request.identity
    assert (part.id, part.nodes) == ("r", ["node_01.json"])


def _symlink(path: Path) -> None:
    (path.parent / "target").write_text("")
    path.symlink_to("target")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


KINDS: list[Callable[[Path], None]] = [_symlink, _dangling, _loop, os.mkfifo, os.mkdir, _socket]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__.strip("_"))
def test_what_is_no_file_is_an_invalid_request_that_goes_without_being_followed(
    markers: Markers, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / REQUEST)
    request = look(markers)
    assert [(item.code, item.file) for item in request.problems] == [(Code.NOT_A_FILE, REQUEST)]
    assert markers.asides.set_aside(request.identity, "1")
    markers.asides.release("1", request.identity)
    assert markers.read() is None
    assert [entry.name for entry in tmp_path.iterdir()] in ([], ["target"])


def test_a_folder_with_something_in_it_is_moved_away_with_all_that_is_in_it(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST / "inside").mkdir(parents=True)
    request = look(markers)
    assert markers.asides.set_aside(request.identity, "1")
    assert markers.read() is None
    (away,) = tmp_path.iterdir()
    assert away.name.startswith(".pinakad-away-deployment_in_progress-")
    assert [entry.name for entry in away.iterdir()] == ["inside"]


def test_a_closed_request_is_taken_at_once_and_another_when_it_has_been_still(markers: Markers, tmp_path: Path) -> None:
    marker = tmp_path / REQUEST
    marker.touch()
    assert markers.settling.settles_in_s(10.0, closed=True) == 0
    assert markers.settling.settles_in_s(20.0, closed=False) == pytest.approx(QUIET_S)
    assert markers.settling.settles_in_s(20.15, closed=False) == pytest.approx(0.05)
    marker.write_text("{")
    assert markers.settling.settles_in_s(20.19, closed=False) == pytest.approx(QUIET_S)
    assert markers.settling.settles_in_s(20.39, closed=False) == pytest.approx(0)
    marker.chmod(0o600)
    assert markers.settling.settles_in_s(20.4, closed=False) == pytest.approx(QUIET_S)


def test_a_request_that_went_and_came_is_timed_anew(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    markers.settling.settles_in_s(0.0, closed=False)
    (tmp_path / REQUEST).unlink()
    assert markers.settling.settles_in_s(0.1, closed=False) == 0
    (tmp_path / REQUEST).touch()
    assert markers.settling.settles_in_s(5.0, closed=False) == pytest.approx(QUIET_S)


def test_asking_to_cancel_is_a_name_whatever_it_is(markers: Markers, tmp_path: Path) -> None:
    assert markers.cancel_came_ns() is None
    (tmp_path / CANCEL).symlink_to("nowhere")
    assert markers.cancel_came_ns() is not None


@pytest.mark.parametrize(
    ("document", "count"),
    [
        ({"nodes": [f"node_{number % 40_000}.json" for number in range(50_000)]}, 1),
        ({f"{number:x}": 0 for number in range(90_000)}, MAX_PROBLEMS),
        ({"nodes": [f"node_{number}" for number in range(60_000)]}, MAX_PROBLEMS),
    ],
    ids=["named twice", "unknown keys", "no node files"],
)
def test_a_huge_request_costs_no_time_and_names_its_first_problems(document: object, count: int) -> None:
    raw = json.dumps(document, separators=(",", ":")).encode()
    assert len(raw) <= MAX_BYTES
    began_s = time.thread_time()
    problems = parse_request(raw)[1]
    assert time.thread_time() - began_s < 2.0
    assert len(problems) == count
    if count > 1:
        assert (problems[-1].code, "more problems" in problems[-1].message) == (Code.MORE_PROBLEMS, True)


def test_the_same_bytes_are_parsed_once_however_often_they_are_read(markers: Markers, tmp_path: Path) -> None:
    names = [f"node_{number}.json" for number in range(50_000)]
    (tmp_path / REQUEST).write_text(json.dumps({"nodes": names}))
    first = look(markers)
    began_s = time.thread_time()
    for _ in range(20):
        assert look(markers).document is first.document
    assert time.thread_time() - began_s < 1.0


@pytest.mark.parametrize("content", ["", '{"nodes": ["node_0'])
def test_a_request_that_is_still_open_and_says_nothing_sound_is_waited_for_but_not_for_ever(
    markers: Markers, tmp_path: Path, content: str
) -> None:
    with (tmp_path / REQUEST).open("w") as writer:
        writer.write(content)
        writer.flush()
        assert markers.settling.settles_in_s(0.0, closed=False) == pytest.approx(QUIET_S)
        assert markers.settling.settles_in_s(1.0, closed=False) == pytest.approx(QUIET_S)
        assert markers.settling.settles_in_s(OPEN_LIMIT_S, closed=False) == 0
        assert markers.settling.settles_in_s(1.0, closed=False) > 0
    assert markers.settling.settles_in_s(1.0, closed=False) == 0


def test_a_request_that_is_still_open_and_sound_is_not_waited_for(markers: Markers, tmp_path: Path) -> None:
    with (tmp_path / REQUEST).open("w") as writer:
        writer.write('{"request_id": "a"}')
        writer.flush()
        assert markers.settling.settles_in_s(0.0, closed=False) > 0
        assert markers.settling.settles_in_s(QUIET_S, closed=False) == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody who owns nothing")
def test_where_leases_are_not_for_us_the_events_tell(tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    tmp_path.chmod(0o777)
    while (status := (tmp_path / REQUEST).stat()).st_mtime_ns == status.st_ctime_ns:
        (tmp_path / "again").unlink(missing_ok=True)
        os.link(tmp_path / REQUEST, tmp_path / "again")
    program = (
        "import os, sys, encodings.utf_8_sig\nfrom pathlib import Path\nfrom pinakad.markers.settling import Settling\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "def settles(created):\n    settling = Settling(Path('deployment_in_progress'))\n"
        "    settling.settles_in_s(0.0, closed=False)\n"
        "    return settling.settles_in_s(1.0, closed=False, created=created) == 0.0\n"
        "print(settles(False), settles(True))"
    )

    def told() -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert told() == "True True\n"
    (tmp_path / REQUEST).unlink()
    (tmp_path / REQUEST).touch()
    assert told() == "True False\n"
