from pathlib import Path

import pytest
from report_example import finished_report

from pinakad.client.errors import (
    AmbiguousDeploymentError,
    AmbiguousNodeError,
    NoDeploymentError,
    NoReadError,
    UnknownDeploymentError,
    UnknownNodeError,
    UnreadableReportError,
)
from pinakad.client.lookup import choose_id, choose_node, known_ids, latest, load, newer_ids
from pinakad.report.document import Report
from pinakad.state.store import Store

IDS = ("20261123T212455Z.0001", "20261123T220000Z.0002", "20261124T080000Z.0017")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    found.prepare()
    for identifier in IDS:
        found.folder(identifier).mkdir(parents=True)
    return found


@pytest.mark.parametrize(
    ("text", "position"),
    [(None, 2), (IDS[0], 0), ("1", 0), ("0001", 0), (".0002", 1), ("17", 2), ("20261124", 2), ("20261123T22", 1)],
)
def test_a_text_means_an_id_a_counter_or_the_beginning_of_an_id(store: Store, text: str | None, position: int) -> None:
    assert choose_id(store, text) == IDS[position]


@pytest.mark.parametrize("text", ["3", ".", "", "x", "2025", "٣"])
def test_a_text_that_means_nothing_or_everything_is_refused(store: Store, text: str) -> None:
    with pytest.raises(AmbiguousDeploymentError if text == "" else UnknownDeploymentError) as caught:
        choose_id(store, text)
    assert caught.value.text == text


def test_an_ambiguous_beginning_is_refused_with_what_it_could_mean(store: Store) -> None:
    with pytest.raises(AmbiguousDeploymentError) as caught:
        choose_id(store, "20261123")
    assert (caught.value.number, caught.value.some) == (2, IDS[:2])


def test_without_deployments_there_is_none_to_choose(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    with pytest.raises(NoDeploymentError):
        choose_id(store, None)
    assert latest(store) is None


@pytest.mark.parametrize(("after", "found"), [(IDS[0], IDS[1:]), (IDS[2], ()), (None, IDS), ("unknown", IDS)])
def test_newer_ids_are_those_after_a_known_one_else_all(
    store: Store, after: str | None, found: tuple[str, ...]
) -> None:
    assert tuple(newer_ids(store, after)) == found


def test_a_state_folder_that_is_none_is_an_error_with_its_path(tmp_path: Path) -> None:
    tmp_path.joinpath("deployments").write_text("no folder", encoding="utf-8")
    for read in (known_ids, latest):
        with pytest.raises(NoReadError, match=r"cannot read '.*deployments'"):
            read(Store(tmp_path))


def test_an_unreadable_report_is_an_error_with_its_deployment(store: Store) -> None:
    with pytest.raises(UnreadableReportError, match=r"report\.json") as caught:
        load(store, IDS[0])
    assert caught.value.identifier == IDS[0]


@pytest.fixture
def report() -> Report:
    found = finished_report()
    first, second = found.nodes
    first = first.model_copy(update={"hostname": "Node-1.rack.example", "address": "192.0.2.1", "file": "node_01.json"})
    second = second.model_copy(
        update={"hostname": "node-2.rack.example", "address": "192.0.2.2", "file": "node_02.json"}
    )
    return found.model_copy(update={"nodes": [first, second]})


@pytest.mark.parametrize("text", ["node-1.rack.example", "NODE-1.RACK.EXAMPLE", "node-1", "192.0.2.1", "Node_01.json"])
def test_a_node_is_named_by_host_name_address_or_file_without_case(report: Report, text: str) -> None:
    assert choose_node(report, text) == report.nodes[0]


def test_an_unknown_node_is_an_error_with_its_deployment(report: Report) -> None:
    with pytest.raises(UnknownNodeError) as caught:
        choose_node(report, "node-3")
    assert (caught.value.text, caught.value.identifier) == ("node-3", report.id)


def test_a_short_name_of_two_nodes_is_refused_with_both(report: Report) -> None:
    twin = report.nodes[1].model_copy(update={"hostname": "node-1.other.example"})
    both = report.model_copy(update={"nodes": [report.nodes[0], twin]})
    with pytest.raises(AmbiguousNodeError) as caught:
        choose_node(both, "node-1")
    assert caught.value.some == ("Node-1.rack.example", "node-1.other.example")
    assert choose_node(both, "node-1.other.example") == twin  # a whole name comes first
