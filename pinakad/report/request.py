"""What is asked: the request as its writer wrote it, and as the report has it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pinakad.report.node import Part

MAX_REQUEST_ID = 200
Id = Annotated[str, StringConstraints(pattern=r"^[0-9]{8}T[0-9]{6}Z\.[0-9]{4,}$")]


class RequestDocument(BaseModel):
    """What a request may say: the node files that it is limited to, and a text of the requester's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    nodes: list[Annotated[str, StringConstraints(pattern=r"^node_[0-9]+\.json$")]] | None = Field(None, min_length=1)
    request_id: str | None = Field(None, max_length=MAX_REQUEST_ID)

    @model_validator(mode="after")
    def _says_something(self) -> "RequestDocument":
        if self.nodes is None and self.request_id is None:
            raise ValueError('must say "nodes", a list of node files, or be an empty file, which means all of them')
        return self


class RequestPart(Part):
    """The request that is served: its identity, and what it asks for. `nodes` null means every node file."""

    id: str | None
    inode: int
    mtime_ns: int
    size: int
    sha256: str
    nodes: list[str] | None
