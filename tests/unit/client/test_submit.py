"""What if others are at the marker folder in the very moment in which pinakactl makes a request there?

`successor` is asked between the look at the request that waits and the stroke that replaces it: in these tests others
act just then.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from report_example import new_report

from pinakad.client.submit import Submitted, Submitter
from pinakad.linux.locks import lock
from pinakad.linux.open_folder import shared_folder
from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.request import Request
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.state.store import Store

THEIRS = {"nodes": ["node_01.json"], "request_id": "theirs"}
BOTH = {"nodes": ["node_01.json", "node_02.json"], "request_id": "theirs ours"}
OURS = {"nodes": ["node_02.json"], "request_id": "ours"}


class Place:
    """A marker folder and a state folder; nobody serves anything here but the test."""

    def __init__(self, root: Path) -> None:
        self.markers = Markers(root / "markers")
        self.markers.folder.mkdir()
        self.request = self.markers.folder / REQUEST
        self.store = Store(root / "state")
        self.store.root.mkdir()
        self.store.prepare()
        lock(self.store.lock_file)

    def put(self, document: object) -> Request:
        """Make a request, as somebody does who renames it in."""
        draft = self.markers.folder / "draft"
        draft.write_text(json.dumps(document), encoding="utf-8")
        draft.rename(self.request)
        found = self.markers.read()
        assert found is not None
        return found

    def take(self, request: Request, phase: Phase = Phase.POLLING) -> Report:
        """Write down that a request is served, as the daemon does."""
        report = new_report().model_copy(
            update={"id": self.store.begin(), "request": request.part(), "phase": phase, "nodes": []}
        )
        self.store.save(report)
        return report

    def ask(self, meanwhile: Callable[[], object] = lambda: None) -> Submitted:
        acts = iter([meanwhile])

        def successor(name: str) -> str:
            next(acts, lambda: None)()
            return name

        with shared_folder(self.markers.folder) as place:
            return Submitter(self.store, self.markers, place).submit(["node_02.json"], "ours", successor)

    def asked(self) -> object:
        """Return what is asked for now."""
        assert [path.name for path in self.markers.folder.iterdir()] == [REQUEST], "a draft is left"
        return json.loads(self.request.read_bytes())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    return Place(tmp_path)


def test_where_nothing_is_asked_our_request_is_put_there(place: Place) -> None:
    asked = place.ask()
    assert (place.asked(), asked.joined, asked.ref.request_id) == (OURS, False, "ours")
    assert place.request.stat().st_mode & 0o777 == 0o664


def test_a_request_that_is_being_served_is_replaced(place: Place) -> None:
    place.take(place.put(THEIRS))
    assert not place.ask().joined
    assert place.asked() == OURS


def test_one_that_waits_behind_another_is_joined(place: Place) -> None:
    place.take(place.put({"request_id": "earlier"}))
    place.put(THEIRS)
    assert place.ask().joined
    assert place.asked() == BOTH


def test_one_that_is_taken_while_we_join_it_is_not_asked_for_twice(place: Place) -> None:
    theirs = place.put(THEIRS)
    asked = place.ask(lambda: place.take(theirs))
    assert (place.asked(), asked.ref.request_id) == (OURS, "ours")


def test_one_that_is_written_over_while_we_join_it_is_not_lost(place: Place) -> None:
    place.take(place.put({"request_id": "earlier"}))
    place.put(THEIRS)
    asked = place.ask(lambda: place.put({"nodes": ["node_03.json"], "request_id": "third"}))
    found = place.asked()
    assert isinstance(found, dict)
    assert set(found["nodes"]) == {"node_01.json", "node_02.json", "node_03.json"}
    assert asked.ref.request_id in found["request_id"].split()


def test_one_that_goes_while_we_join_it_leaves_ours_alone(place: Place) -> None:
    place.put(THEIRS)
    place.ask(place.request.unlink)
    assert place.asked() == OURS


def test_a_touch_of_all_nodes_while_we_replace_what_is_served_stays_a_request_for_all(place: Place) -> None:
    place.take(place.put(THEIRS))
    second = place.put({"nodes": ["node_03.json"], "request_id": "second"})
    assert second.document is not None

    def touch() -> None:
        place.request.write_bytes(b"")

    place.ask(touch)
    found = place.asked()
    assert isinstance(found, dict)
    assert "nodes" not in found
