"""Generates the JSON Schemas (draft 2020-12) of the documents from the models, for other programs."""

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode

from pinakad.nodes.node_file import NodeFile
from pinakad.report.document import Report
from pinakad.report.reach import ReachAnswer
from pinakad.report.request import RequestDocument

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def report() -> dict[str, Any]:
    """Return the schema of the report as it is written: each field is required, unknown ones are allowed."""
    schema = _of(Report, "serialization")
    for part in (schema, *schema["$defs"].values()):
        if "properties" in part:
            part["required"] = list(part["properties"])
    return schema


def request() -> dict[str, Any]:
    """Return the schema of a request that is not empty: at least one key is set, and no file is named twice."""
    schema = _of(RequestDocument, "validation")
    for branch in schema["properties"]["nodes"]["anyOf"]:
        if branch["type"] == "array":
            branch["uniqueItems"] = True
    said = {"nodes": "array", "request_id": "string"}
    schema["anyOf"] = [{"required": [key], "properties": {key: {"type": kind}}} for key, kind in said.items()]
    return schema


def node_file() -> dict[str, Any]:
    """Return the schema of a node file's shape; `pinakactl validate` checks the values, and all files together."""
    return _of(NodeFile, "validation")


def reach() -> dict[str, Any]:
    """Return the schema of the answer to a question whether a login at an address works."""
    return _of(ReachAnswer, "serialization")


def texts() -> dict[str, str]:
    """Return the files of `pinakad/schemas`: file name -> JSON text."""
    schemas = {"report.json": report(), "request.json": request(), "node_file.json": node_file(), "reach.json": reach()}
    return {name: json.dumps(schema, indent=1) + "\n" for name, schema in schemas.items()}


def _of(model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
    return {"$schema": _DRAFT, **model.model_json_schema(by_alias=True, mode=mode)}
