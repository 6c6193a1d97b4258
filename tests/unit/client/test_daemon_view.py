from pathlib import Path

import pytest
from report_example import finished_report

from pinakad.client.daemon_view import by_trouble, read_daemon_view, read_status
from pinakad.client.errors import NoStateError
from pinakad.polling.vocabulary import NodeState
from pinakad.state.store import Store


def test_without_a_daemon_and_a_deployment_nothing_is_known(tmp_path: Path) -> None:
    view = read_daemon_view(tmp_path, tmp_path)
    assert (view.running, view.daemon, view.report, view.notes) == (False, None, None, [])


def test_without_a_daemon_the_latest_report_in_the_state_folder_counts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    report = finished_report().model_copy(update={"id": store.begin()})
    store.save(report)
    view = read_daemon_view(tmp_path, tmp_path)
    assert (view.running, view.report and view.report.id) == (False, report.id)


def test_a_state_folder_that_cannot_be_read_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "deployments").touch()
    with pytest.raises(NoStateError) as caught:
        read_daemon_view(tmp_path, tmp_path)
    assert caught.value.folder == tmp_path


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "\x00"])
def test_a_status_file_of_another_form_is_a_note_not_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "status.json"
    path.write_text(text, encoding="utf-8")
    assert read_status(tmp_path) == (None, [f"cannot read '{path}': it is not of this version's form"])


def test_a_status_file_that_is_a_folder_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "status.json").mkdir()
    status, notes = read_status(tmp_path)
    assert (status, len(notes)) == (None, 1)


def test_nodes_that_are_up_are_no_trouble() -> None:
    first, second = finished_report().nodes
    waiting = first.model_copy(update={"state": NodeState.WAITING})
    assert by_trouble([second, waiting]) == ([waiting] if second.state is NodeState.UP else [waiting, second])
