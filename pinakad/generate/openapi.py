"""Generates the OpenAPI 3.1 document of the front door from its table of paths and the models of its answers."""

import json
import re
from typing import Any

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from pinakad import __version__
from pinakad.report.document import Report
from pinakad.web import documents
from pinakad.web.documents import ProblemDocument
from pinakad.web.orders import Order
from pinakad.web.table import API, TABLE, Row

_REF = "#/components/schemas/{model}"
_GATE = (401, 403, 413, 415, 421, 429, 503)
"""What the gate may answer to any call."""
_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 0, "maximum": 500},
    "after": {"type": "integer", "minimum": 0, "maximum": 100_000},
    "before": {"type": "string"},
    "state": {"type": "string", "enum": ["", "waiting", "up", "failed"]},
    "reason": {"type": "string"},
    "q": {"type": "string"},
    "brief": {"type": "string"},
    "follow": {"type": "string"},
}
_MODELS: dict[str, type[Any]] = {"Report": Report, "Order": Order}


def openapi_text() -> str:
    """Return the document as JSON."""
    used = {name for row in TABLE for name in (row.takes, row.gives) if name and name != "AnyDocument"}
    models = [_model(name) for name in sorted({*used, ProblemDocument.__name__})]
    modes: list[tuple[type[Any], JsonSchemaMode]] = [(model, "validation") for model in models]
    _, definitions = models_json_schema(modes, ref_template=_REF)
    paths: dict[str, dict[str, Any]] = {}
    for row in TABLE:
        paths.setdefault(API + row.path, {})[row.method.lower()] = _operation(row)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "pinakad", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"


_ABOUT = (
    "The front door of pinakad. Over the unix socket no token is needed; else `Authorization: Bearer TOKEN`, or the "
    "cookie of POST /session. Every refusal is a problem document (RFC 9457)."
)


def _model(name: str) -> type[Any]:
    found: type[Any] = _MODELS.get(name) or getattr(documents, name)
    return found


def _operation(row: Row) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": row.name, "summary": row.about, "responses": _responses(row)}
    parameters = [_in_path(name) for name in re.findall(r"{(\w+)}", row.path)]
    parameters += [{"name": name, "in": "query", "schema": _QUERY[name]} for name in row.query]
    if row.name == "log":
        parameters.append({"name": "Range", "in": "header", "schema": {"type": "string"}})
    if parameters:
        operation["parameters"] = parameters
    if row.takes:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(row.takes)}}}
    if row.is_open:
        operation["security"] = []
    return operation


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _responses(row: Row) -> dict[str, Any]:
    good: dict[str, Any] = {"description": row.about}
    if row.gives:
        good["content"] = {row.kind: {"schema": _schema(row.gives)}}
    elif row.status != 204:  # noqa: PLR2004 - without content
        good["content"] = {row.kind: {"schema": {"type": "string"}}}
    found = {str(row.status): good}
    if row.name == "log":
        found["206"] = good
    problem = {"application/problem+json": {"schema": _schema("ProblemDocument")}}
    for status in sorted({*_GATE, *row.refusals}):
        found[str(status)] = {"description": "refused", "content": problem}
    return found


def _schema(name: str) -> dict[str, Any]:
    return {} if name == "AnyDocument" else {"$ref": _REF.format(model=name)}
