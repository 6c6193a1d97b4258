import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from report_example import DATA, finished_report, new_report

import pinakad
from pinakad.generate import schema
from pinakad.markers.request import parse_request
from pinakad.nodes.node_file import read
from pinakad.polling.vocabulary import NodeReason, NodeState, Rung
from pinakad.problems import Code
from pinakad.report.vocabulary import Outcome, Phase, Reason, ScriptState

REPORT = Draft202012Validator(schema.report())
REQUEST = Draft202012Validator(schema.request())
NODE_FILE = Draft202012Validator(schema.node_file())


@pytest.mark.parametrize("made", [schema.report, schema.request, schema.node_file, schema.reach])
def test_a_schema_is_a_sound_schema_of_its_draft(made: Any) -> None:
    Draft202012Validator.check_schema(made())
    assert made()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


def test_the_shipped_schemas_are_what_the_models_say() -> None:
    shipped = {
        path.name: path.read_text(encoding="utf-8") for path in (Path(pinakad.__file__).parent / "schemas").iterdir()
    }
    assert shipped.pop("openapi.json"), "held in tests/web/test_openapi.py"
    assert shipped == schema.texts(), "run: python -m pinakad.generate"


def test_reports_are_sound_at_their_begin_and_at_their_end() -> None:
    for report in (new_report(), finished_report()):
        REPORT.validate(json.loads(report.json_text()))


def test_every_code_and_state_is_a_closed_enum() -> None:
    enums = {tuple(item["enum"]) for item in schema.report()["$defs"].values() if "enum" in item}
    for kind in (Phase, Outcome, Reason, ScriptState, NodeState, NodeReason, Rung, Code):
        assert tuple(kind) in enums


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "dancing"},
        {"outcome": "maybe"},
        {"schema": 2},
        {"started_at": "2026-11-23 21:24:55"},
        {"id": "../x"},
        {"nodes": None},
    ],
)
def test_a_report_that_is_wrong_is_told_from_one_that_is_right(change: dict[str, Any]) -> None:
    document = json.loads(finished_report().json_text())
    with pytest.raises(ValidationError):
        REPORT.validate(document | change)
    document.pop(next(iter(change)))
    with pytest.raises(ValidationError):
        REPORT.validate(document)
    REPORT.validate(json.loads(finished_report().json_text()) | {"of_a_later_version": 1})


_DOCUMENTS = st.dictionaries(
    st.sampled_from(["nodes", "request_id", "x"]),
    st.none()
    | st.text(max_size=3)
    | st.just("y" * 201)
    | st.integers()
    | st.lists(st.sampled_from(["node_01.json", "node_2.json", "node_x.json", 5]), max_size=3),
)


@given(_DOCUMENTS)
def test_the_schema_of_requests_says_what_the_daemon_says(document: dict[str, Any]) -> None:
    _, problems = parse_request(json.dumps(document).encode())
    assert REQUEST.is_valid(document) is (not problems)


@pytest.mark.parametrize("path", sorted(DATA.glob("*.json")), ids=lambda path: path.stem)
def test_the_known_forms_of_node_files_are_sound(path: Path) -> None:
    NODE_FILE.validate(json.loads(path.read_text(encoding="utf-8")))


_VALUE = st.none() | st.text(max_size=2) | st.integers() | st.lists(st.text(max_size=1), max_size=2) | st.just({})


@given(st.sampled_from(sorted(DATA.glob("*.json"))), st.data())
def test_the_schema_of_node_files_says_what_the_daemon_says_of_their_shape(path: Path, data: st.DataObject) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    document[data.draw(st.sampled_from([*document, "ssh", "server_vip", "more"]))] = data.draw(_VALUE)
    for interface in document["using_interfaces"].values() if isinstance(document["using_interfaces"], dict) else ():
        interface[data.draw(st.sampled_from([*interface, "ip", "vlan_id", "Properties", "more"]))] = data.draw(_VALUE)
    _, problems = read("node_01.json", document)
    assert NODE_FILE.is_valid(document) is (not problems)
