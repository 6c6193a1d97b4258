"""A request is read and parsed, or refused with its problems."""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.request import Identity, Request, parse_request
from pinakad.nodes.strict_json import MAX_BYTES
from pinakad.problems import MAX_PROBLEMS, Code
from pinakad.report.request import RequestDocument, RequestPart


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


def read(markers: Markers) -> Request:
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


def test_the_identity_is_inode_mtime_size_and_content(markers: Markers, tmp_path: Path) -> None:
    marker = tmp_path / REQUEST
    marker.write_text('{"request_id": "a"}')
    first = read(markers).identity
    assert read(markers).identity == first
    status = marker.stat()
    os.utime(marker, ns=(0, status.st_mtime_ns - 1))
    older = read(markers).identity
    assert older != first  # different, not newer, is what counts
    os.utime(marker, ns=(0, status.st_mtime_ns))
    assert read(markers).identity == first
    marker.write_text('{"request_id": "b"}')
    os.utime(marker, ns=(0, status.st_mtime_ns))
    assert read(markers).identity != first
    (tmp_path / "new").write_text('{"request_id": "a"}')
    os.utime(tmp_path / "new", ns=(0, status.st_mtime_ns))
    (tmp_path / "new").replace(marker)
    assert read(markers).identity.inode != first.inode


def test_a_hard_link_beside_the_request_does_not_change_it(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    before = read(markers).identity
    os.link(tmp_path / REQUEST, tmp_path / "another")
    assert read(markers).identity == before


def test_the_identity_survives_the_report(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).write_text('{"nodes": ["node_01.json"], "request_id": "r"}')
    request = read(markers)
    part = RequestPart.model_validate_json(request.part().model_dump_json())
    assert Identity.of(part) == request.identity
    assert (part.id, part.nodes) == ("r", ["node_01.json"])


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
    first = read(markers)
    began_s = time.thread_time()
    for _ in range(20):
        assert read(markers).document is first.document
    assert time.thread_time() - began_s < 1.0
