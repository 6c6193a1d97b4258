"""The summary has a report's fields under the same names and types, and reads any report of ours."""

import pytest
from pydantic import ValidationError
from report_example import LAUNCH_S, finished_report, new_report

from pinakad.report.document import Report
from pinakad.report.summary import ReportSummary
from pinakad.report.vocabulary import Phase


def test_each_field_is_the_reports_own() -> None:
    for name, field in ReportSummary.model_fields.items():
        other = Report.model_fields[name]
        assert (field.annotation, field.alias) == (other.annotation, other.alias)


@pytest.mark.parametrize("report", [new_report(), finished_report()], ids=["begun", "finished"])
def test_a_report_is_read_without_its_nodes(report: Report) -> None:
    summary = ReportSummary.model_validate_json(report.json_text())
    assert summary.model_dump() == {name: report.model_dump()[name] for name in ReportSummary.model_fields}


def test_a_report_of_another_schema_is_not_read() -> None:
    text = finished_report().json_text().replace(b'"schema": 1', b'"schema": 2')
    with pytest.raises(ValidationError):
        ReportSummary.model_validate_json(text)


@pytest.mark.parametrize("phase", list(Phase))
def test_only_the_last_phase_is_finished(phase: Phase) -> None:
    summary = ReportSummary.model_validate_json(finished_report().but(phase=phase).json_text())
    assert summary.is_finished is (phase is Phase.FINISHED)


@pytest.mark.parametrize(
    ("report", "now_wall_s", "duration_s"),
    [
        (finished_report(), LAUNCH_S + 1e6, 97.0),
        (new_report(), LAUNCH_S + 9.0, 10.0),
        (new_report(), LAUNCH_S - 50.0, 0.0),
    ],
    ids=["finished", "under way", "clock set back"],
)
def test_a_duration_counts_from_the_taking_to_the_verdict_or_until_now(
    report: Report, now_wall_s: float, duration_s: float
) -> None:
    summary = ReportSummary.model_validate_json(report.json_text())
    assert summary.duration_s(now_wall_s) == duration_s
