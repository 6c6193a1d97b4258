import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from paths import DATA

from pinakad.client.errors import NoNodesError, SourceError
from pinakad.client.sources import STDIN_NAME, Source, as_drafts, read_sources, sources_in
from pinakad.nodes.reading import read_file

NODE: dict[str, Any] = json.loads((DATA / "default.json").read_bytes())
NOTHING = io.BytesIO()


def labels(value: object) -> list[str]:
    return [source.label for source in sources_in("f", json.dumps(value).encode())]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (NODE, ["f"]),
        ([NODE], ["f[1]"]),
        ([NODE, NODE], ["f[1]", "f[2]"]),
        ({"192.0.2.1": NODE, "192.0.2.2": NODE}, ["f[192.0.2.1]", "f[192.0.2.2]"]),
        ({"hostname": {}}, ["f"]),
        ({"x": 1}, ["f"]),
        ({"x": {}}, ["f[x]"]),
        ({}, ["f"]),
        ([1], ["f[1]"]),
    ],
)
def test_a_document_is_a_node_a_list_or_an_object_of_nodes(value: object, found: list[str]) -> None:
    assert labels(value) == found


@pytest.mark.parametrize("value", [[], 1, "x", None, True])
def test_a_document_without_nodes_is_refused_with_its_label(value: object) -> None:
    with pytest.raises(NoNodesError, match=r"^f: must be a node, .* and it has none; nothing was stored$") as caught:
        labels(value)
    assert caught.value.label == "f"


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a": 1, "a": 2}', b"\xff"])
def test_a_document_that_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NoNodesError, match=r"^f: cannot read the file as JSON: .*; nothing was stored$"):
        list(sources_in("f", raw))


def test_a_single_node_keeps_its_bytes(tmp_path: Path) -> None:
    raw = (DATA / "default.json").read_bytes()
    path = tmp_path / "x"
    path.write_bytes(raw)
    assert read_sources([path], NOTHING) == [Source(str(path), raw)]
    assert read_sources([Path("-")], io.BytesIO(raw)) == [Source(STDIN_NAME, raw)]


def test_what_is_no_regular_file_or_not_there_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, is_regular in ((tmp_path, False), (tmp_path / "pipe", False), (tmp_path / "gone", True)):
        with pytest.raises(SourceError) as caught:
            read_sources([path], NOTHING)
        assert (caught.value.path, caught.value.is_regular) == (path, is_regular)


def test_drafts_come_after_every_number_in_their_order() -> None:
    raw = (DATA / "default.json").read_bytes()
    drafts = as_drafts([Source("b", raw), Source("a", raw)], allow_loopback=False)
    numbered = read_file(f"node_{10**15}.json", raw, allow_loopback=False)
    assert [file.name for file in sorted([*drafts, numbered], key=lambda file: file.key)] == [numbered.name, "b", "a"]
