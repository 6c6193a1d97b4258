"""Is a document that the daemon wrote what it promises? Every one that a test reads comes through here."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator

import pinakad
from pinakad.report.document import Report, Status
from pinakad.report.node import counts_of
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.times import wall_s

SCHEMAS = Path(pinakad.__file__).parent / "schemas"
_REPORT = Draft202012Validator(json.loads((SCHEMAS / "report.json").read_bytes()))


def checked_report(raw: bytes, *, answer: bool = False) -> Report:
    """Return a report that keeps what is promised of all reports; `answer`: it must be one that is over."""
    _REPORT.validate(json.loads(raw))
    report = Report.model_validate_json(raw)
    assert json.loads(report.json_text()) == json.loads(raw), "a field that the model does not know"
    _check(report)
    assert not answer or report.phase is Phase.FINISHED
    return report


def checked_status(raw: bytes) -> Status:
    """Return a status whose deployment, if there is one, is a sound report."""
    status = Status.model_validate_json(raw)
    if status.deployment is not None:
        _check(status.deployment)
    return status


def _check(report: Report) -> None:
    assert report.counts == counts_of(report.nodes)
    decided = report.phase in (Phase.FINISHING, Phase.FINISHED)
    assert (report.outcome is not None) == decided
    assert (report.reason is None) == (report.outcome in (None, Outcome.COMPLETED))
    assert (report.finished_at is not None) == (report.phase is Phase.FINISHED)
    assert (wall_s(report.requested_at) or 0) <= (wall_s(report.started_at) or 0)
    if report.outcome is Outcome.COMPLETED:
        assert {node.state for node in report.nodes} == {"up"}
