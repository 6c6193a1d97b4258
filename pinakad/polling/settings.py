"""The settings of polling (`[poll]`)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class PollSettings(BaseModel):
    """The table `[poll]`: when nodes are polled and what is asked of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    delay_s: float = Field(90, ge=0, le=86400, description="from the launch to the first slot")
    interval_s: float = Field(5, ge=0.05, le=3600, description="from one slot to the next")
    attempts: int = Field(120, ge=1, le=1_000_000, description="slots before a node counts as unreachable")
    reboot: Literal["report", "require", "ignore"] = Field(
        "report", description="what a node that has not provably rebooted means"
    )
    identity: Literal["report", "require", "ignore"] = Field(
        "report", description="what a node that names itself otherwise than its file means"
    )
    stable_checks: int = Field(
        1, ge=1, le=1000, description="successful attempts in a row, with one boot id, that make a node up"
    )
    ready_command: str = Field("", max_length=4096, description="must exit 0 on the node; empty: not asked")
