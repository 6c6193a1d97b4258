"""What did one attempt at an address find? It was asked for by itself, and says nothing of any deployment."""

from typing import Literal

from pydantic import ConfigDict, Field

from pinakad.polling.vocabulary import HostKey, NodeReason, Rung
from pinakad.report.node import Part
from pinakad.times import Timestamp


class ReachRequestDocument(Part):
    """The question: an address, and the port where it is not the configured one."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    address: str = Field(min_length=2, max_length=45)
    port: int | None = Field(None, ge=1, le=65535)


class ReachAnswer(Part):
    """The answer. `refused` says why no attempt was made; then everything behind it is null."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    address: str
    asked_at: Timestamp
    answered_at: Timestamp
    reached: bool = False
    refused: Literal["outside", "invalid", "too_many"] | None = None
    rung: Rung | None = None
    reason: NodeReason | None = None
    message: str = ""
    hostname: str | None = None
    boot_id: str | None = None
    uptime_s: float | None = None
    host_key: HostKey | None = None
