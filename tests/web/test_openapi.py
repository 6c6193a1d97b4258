"""Is the description of the interface true? A program that believes it tries everything that it allows."""

import json
import subprocess
import sys
from pathlib import Path

from forms import default
from front_door import FrontDoor
from jsonschema import Draft202012Validator
from machines import Machines
from world import World

from pinakad.generate.openapi import openapi_text
from pinakad.generate.schema import report as report_schema
from pinakad.web.table import API, TABLE

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def test_the_shipped_description_is_what_the_table_says(door: FrontDoor) -> None:
    assert door.call("GET", "/openapi.json").body.decode() == openapi_text(), "run: python -m pinakad.generate"
    document = json.loads(openapi_text())
    assert {(method.upper(), path) for path, found in document["paths"].items() for method in found} == {
        (row.method, API + row.path) for row in TABLE
    }
    assert door.get("/schema/report.json") == report_schema()


def test_every_answer_is_as_described_and_none_is_an_error_of_ours(
    world: World, door: FrontDoor, machines: Machines, tmp_path: Path
) -> None:
    machines.add(1)
    world.start()
    assert door.post("/deployments", {"nodes": default("sqdn-001", world.address(1))}).status == 201
    run = door.wait_for("web-")
    document = json.loads(openapi_text())
    for found in document["paths"].values():  # one id in three is that of a deployment
        for operation in found.values():
            for parameter in operation.get("parameters", []):
                if parameter["name"] in ("id", "other"):
                    parameter["schema"] = {"enum": [run["id"], "latest", "20200101T000000Z.0001", "..", "x"]}
                if parameter["name"] == "name":
                    parameter["schema"] = {"enum": ["node_01.json", "report.json", "sqdn-001", "node_99.json", "%00"]}
    document["paths"].pop(f"{API}/events")  # it never ends
    document["paths"].pop(f"{API}/session")  # wrong tokens are refused more and more
    Draft202012Validator.check_schema(document["components"]["schemas"]["Report"])
    (tmp_path / "openapi.json").write_text(json.dumps(document), encoding="utf-8")
    words = ["run", str(tmp_path / "openapi.json"), "--url", door.url, "--checks", CHECKS]
    words += ["--header", f"Authorization: Bearer {door.token}", "--max-examples", "25", "--seed", "1", "--no-color"]
    words += ["--phases", "examples,coverage,fuzzing", "--request-timeout", "20"]
    done = subprocess.run(
        [str(SCHEMATHESIS), *words], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=110
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:] + door.log_text()[-3000:]
    assert "Traceback" not in door.log_text()
