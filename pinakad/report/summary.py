"""What is a deployment's story in one line? The report's head, read without its nodes: of hundreds, in no time."""

from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pinakad.linux.files import NotRegularError, read_regular
from pinakad.report.node import CountsPart
from pinakad.report.request import Id
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.times import Timestamp, wall_s

_MAX_BYTES = 1 << 30


class ReportSummary(BaseModel):
    """The fields of a report that tell what became of it. Named as there; what else the report has is not looked at."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_: Literal[1] = Field(default=1, alias="schema")
    id: Id
    host: str
    phase: Phase
    outcome: Outcome | None = None
    reason: Reason | None = None
    message: str = ""
    requested_at: Timestamp
    started_at: Timestamp
    finished_at: Timestamp | None = None
    counts: CountsPart = CountsPart()

    @property
    def is_finished(self) -> bool:
        """Tell whether the verdict was given."""
        return self.phase is Phase.FINISHED

    def duration_s(self, now_wall_s: float) -> float:
        """Return the seconds from the taking of the request to the verdict, or until now."""
        end_s = wall_s(self.finished_at)
        return max(0.0, (now_wall_s if end_s is None else end_s) - (wall_s(self.started_at) or now_wall_s))


def read_summary(folder: Path) -> ReportSummary | None:
    """Return the headline of the deployment in `folder`; None where its report is not there or cannot be read."""
    return summary_of(folder / "report.json") or summary_of(folder / "report.durable.json")


def summary_of(path: Path) -> ReportSummary | None:
    """Return the headline of the report in a file; None where that is not there or cannot be read."""
    with suppress(OSError, ValueError, NotRegularError):  # pydantic's errors are ValueErrors
        return ReportSummary.model_validate_json(read_regular(path, _MAX_BYTES))
    return None
