"""The answer is in its place, and nothing else of ours."""

from pathlib import Path

import pytest
from report_example import finished_report

from pinakad.markers.folder import Markers
from pinakad.markers.names import COMPLETED, FAILED
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize(("outcome", "name"), [("completed", COMPLETED), ("failed", FAILED), ("cancelled", FAILED)])
def test_the_answer_is_the_report_under_one_name_only(
    markers: Markers, tmp_path: Path, outcome: str, name: str
) -> None:
    for other in (COMPLETED, FAILED):
        (tmp_path / other).write_text("of an earlier request")
    report = finished_report().model_copy(update={"outcome": Outcome(outcome)})
    markers.answers.put(report)
    assert names(tmp_path) == {name}
    assert Report.model_validate_json((tmp_path / name).read_bytes()) == report
    assert (tmp_path / name).stat().st_mode & 0o7777 == 0o644


def test_an_answer_is_never_written_through_a_link(markers: Markers, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    for name in (COMPLETED, FAILED, ".pinakad-answer"):
        (tmp_path / name).symlink_to("target")
    markers.answers.put(finished_report())
    assert target.read_text() == "precious"
    assert names(tmp_path) == {"target", COMPLETED}


def test_before_a_run_stale_answers_and_drafts_go_and_nothing_else(markers: Markers, tmp_path: Path) -> None:
    for name in (COMPLETED, ".pinakad-answer", "deployment_completed.bak", "other"):
        (tmp_path / name).write_text("")
    (tmp_path / FAILED).mkdir()
    markers.answers.remove_all()
    assert names(tmp_path) == {"deployment_completed.bak", "other"}
