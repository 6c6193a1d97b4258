"""Reads the summaries of reports: for a list of hundreds, without their nodes."""

from contextlib import suppress
from pathlib import Path

from pinakad.linux.files import NotRegularError, read_regular
from pinakad.report.summary import ReportSummary

_MAX_BYTES = 1 << 30


def read_summary(folder: Path) -> ReportSummary | None:
    """Return the summary of the deployment in `folder`; None where its report is not there or cannot be read."""
    return summary_of(folder / "report.json") or summary_of(folder / "report.durable.json")


def summary_of(path: Path) -> ReportSummary | None:
    """Return the summary of the report in a file; None where that is not there or cannot be read."""
    with suppress(OSError, ValueError, NotRegularError):  # pydantic's errors are ValueErrors
        return ReportSummary.model_validate_json(read_regular(path, _MAX_BYTES))
    return None
