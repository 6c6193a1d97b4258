"""Does CI notice an advisory against a dependency, and say so where it could not look?"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / ".ci" / "advisories"


class Index(BaseHTTPRequestHandler):
    """Answers every package but one with nothing."""

    bad = ""
    asked: dict[str, str]

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"]))
        queries = json.loads(text)["queries"]
        type(self).asked = {query["package"]["name"]: query["version"] for query in queries}
        results = [{"vulns": [{"id": "GHSA-1"}]} if query["package"]["name"] == self.bad else {} for query in queries]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"results": results}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index() -> Iterator[str]:
    """Give the address of an index of our own."""
    with HTTPServer(("127.0.0.1", 0), Index) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def run(index: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, PROGRAM, index], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("bad", ["", "paramiko", "cryptography"])
def test_an_advisory_fails_and_names_the_package(index: str, bad: str) -> None:
    Index.bad = bad
    done = run(index)
    assert done.returncode == (1 if bad else 0)
    assert f"advisory: {bad} {Index.asked[bad]}: GHSA-1" in done.stdout if bad else "no advisory against" in done.stdout
    assert {"watchdog", "pydantic", "pydantic_core"} & set(Index.asked)
    assert not {"pytest", "pinakad"} & set(Index.asked)


def test_no_index_is_said_and_holds_nobody_up() -> None:
    done = run("http://127.0.0.1:1/")
    assert done.returncode == 0
    assert "no advisory index answered" in done.stdout
    assert "NOT checked" in done.stdout
