import json
from pathlib import Path

import pytest
from report_example import new_report

from pinakad.client.errors import NothingToFollowError
from pinakad.client.refs import Exactly, NextAfter, Serving, ref_to_latest
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.report.request import RequestPart
from pinakad.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path / "state")
    found.root.mkdir()
    found.prepare()
    return found


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    folder = tmp_path / "markers"
    folder.mkdir()
    return Markers(folder)


def served(store: Store, request_id: str | None, nodes: list[str] | None) -> str:
    """Add a deployment that serves such a request; return its id."""
    part = RequestPart(id=request_id, inode=5, mtime_ns=1, size=0, sha256="0" * 64, nodes=nodes)
    report = new_report().model_copy(update={"id": store.begin(), "request": part})
    store.save(report)
    return report.id


def test_exactly_one_is_found_before_it_is_there(store: Store) -> None:
    assert Exactly("x").find(store) == "x"


def test_the_next_one_is_the_first_after_a_known_one(store: Store) -> None:
    assert NextAfter(None).find(store) is None
    first, second = served(store, None, None), served(store, None, None)
    assert NextAfter(None).find(store) == first
    assert NextAfter(first).find(store) == second
    assert NextAfter(second).find(store) is None


@pytest.mark.parametrize(
    ("asked", "request_id", "nodes", "serves"),
    [
        (["a"], "ours", ["a"], True),
        (["a"], "theirs ours", ["a", "b"], True),
        (["a"], "theirs", ["a", "b"], True),
        (["a"], "theirs", None, True),
        (["a"], None, None, True),
        (["a", "c"], "theirs", ["a", "b"], False),
        (None, "theirs", ["a"], False),
        (None, "theirs", None, True),
        (None, "ours", ["a"], True),
    ],
)
def test_a_request_is_served_by_the_deployment_that_names_it_or_has_all_its_nodes(
    store: Store,
    markers: Markers,
    asked: list[str] | None,
    request_id: str | None,
    nodes: list[str] | None,
    *,
    serves: bool,
) -> None:
    before = served(store, "ours", ["a"])  # an earlier deployment never counts
    ref = Serving(markers, "ours", asked, before)
    assert ref.find(store) is None
    identifier = served(store, request_id, nodes)
    assert ref.find(store) == (identifier if serves else None)


def test_while_the_request_waits_another_deployment_with_all_its_nodes_does_not_serve_it(
    store: Store, markers: Markers
) -> None:
    request = markers.folder / REQUEST
    request.write_text(json.dumps({"request_id": "theirs ours"}), encoding="utf-8")
    other, ref = served(store, "other", None), Serving(markers, "ours", ["a"], None)
    assert ref.find(store) is None
    request.unlink()
    assert ref.find(store) == other


def test_the_latest_is_what_waits_to_be_served_else_the_latest_deployment(store: Store, markers: Markers) -> None:
    with pytest.raises(NothingToFollowError):
        ref_to_latest(store, markers)
    (markers.folder / REQUEST).touch()
    assert ref_to_latest(store, markers) == NextAfter(None)
    identifier = served(store, None, None)
    assert ref_to_latest(store, markers) == NextAfter(identifier)
    (markers.folder / REQUEST).unlink()
    assert ref_to_latest(store, markers) == Exactly(identifier)
