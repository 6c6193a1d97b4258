"""The summary of a report: what became of a deployment, without its nodes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from pinakad.report.node import CountsPart
from pinakad.report.request import Id
from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.times import Timestamp, wall_s


class ReportSummary(BaseModel):
    """The fields of a report that say what became of it, under the same names; the others are ignored."""

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
        """Return whether the verdict was given."""
        return self.phase is Phase.FINISHED

    def duration_s(self, now_wall_s: float) -> float:
        """Return the seconds from the taking of the request to the verdict, or until now."""
        end_s = wall_s(self.finished_at)
        return max(0.0, (now_wall_s if end_s is None else end_s) - (wall_s(self.started_at) or now_wall_s))
