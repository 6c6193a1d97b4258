import os
from pathlib import Path

import pytest
from report_example import finished_report, new_report

from pinakad.client.errors import TimedOutError, UnreadableReportError
from pinakad.client.follow import Follower
from pinakad.client.refs import Exactly, NextAfter
from pinakad.linux.locks import lock
from pinakad.markers.folder import Markers
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.state.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    found = Store(tmp_path)
    found.prepare()
    return found


def save(store: Store, report: Report) -> str:
    identifier = store.begin()
    store.save(report.model_copy(update={"id": identifier}))
    return identifier


def test_an_answered_report_is_returned_at_once_and_was_progress_once(store: Store, tmp_path: Path) -> None:
    identifier, progress = save(store, finished_report()), list[Report | None]()
    store.mark_answered(identifier)
    report = Follower(store, Markers(tmp_path), Exactly(identifier), progress.append).follow(None)
    assert (report.id, progress) == (identifier, [report])


def test_a_finished_report_whose_answer_is_not_put_out_is_waited_for_while_a_daemon_runs(
    store: Store, tmp_path: Path
) -> None:
    identifier = save(store, finished_report())
    follower = Follower(store, Markers(tmp_path), Exactly(identifier), lambda _: None)
    held = lock(store.lock_file)
    with pytest.raises(TimedOutError):
        follower.follow(0.0)
    os.close(held)
    assert follower.follow(0.0).id == identifier


def test_a_timeout_names_the_deployment_and_its_phase(store: Store, tmp_path: Path) -> None:
    identifier = save(store, new_report())
    with pytest.raises(TimedOutError) as caught:
        Follower(store, Markers(tmp_path), Exactly(identifier), lambda _: None).follow(0.0)
    assert (caught.value.identifier, caught.value.phase) == (identifier, Phase.VALIDATING)


def test_a_timeout_before_a_request_is_served_names_neither(store: Store, tmp_path: Path) -> None:
    progress = list[Report | None]()
    with pytest.raises(TimedOutError) as caught:
        Follower(store, Markers(tmp_path), NextAfter(None), progress.append).follow(0.0)
    assert (caught.value.identifier, caught.value.phase, progress) == (None, None, [None])


def test_a_report_that_is_none_is_an_error(store: Store, tmp_path: Path) -> None:
    identifier = save(store, new_report())
    (store.folder(identifier) / "report.json").write_text("{", encoding="utf-8")
    with pytest.raises(UnreadableReportError):
        Follower(store, Markers(tmp_path), Exactly(identifier), lambda _: None).follow(0.0)
