"""What can strangers do: other sites, other users of the machine, slow clients, thousands of connections?"""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from front_door import FrontDoor, UnixConnection
from world import World

from pinakad.web.runner import HEADER_LIMIT_S

PATHS = [
    "//../../etc/passwd",
    "//js/../../__init__.py",
    "//js/%2e%2e/%2e%2e/__init__.py",
    "//..%2f..%2fetc%2fpasswd",
    "/deployments/..%2f..%2fweb-token",
    "/deployments/../../web-token",
    "/deployments/20261123T212455Z.0001%2f..%2f..",
    "/deployments/.trash-20261123T212455Z.0001",
    "/deployments/20261123T212455Z.0001%00",
    "/nodes/..%2fretired%2fnode_01.json",
    "/nodes/..%2f..%2f..%2fkey%2fps_key.pem",
    "/nodes/node_01.json%00",
    "/schema/..%2fconfig.py",
    "/schema/openapi.json",
]


def test_without_credentials_a_port_gives_nothing_but_the_page(door: FrontDoor) -> None:
    for path in ("/status", "/events", "/deployments", "/nodes", "/openapi.json", "/nothing", "/session"):
        reply = door.call("GET", path, unix=False)
        assert (reply.status, reply.json()["error"]) == (401, "no_token")
        assert reply.headers["content-type"] == "application/problem+json"
    assert door.call("POST", "/deployments", {}, unix=False).status == 401
    page = door.call("GET", "//", unix=False)
    assert page.status == 200
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"
    assert door.call("GET", "/healthz", unix=False).body == b"ok\n"


def test_a_token_is_exchanged_for_a_session_that_ends_with_the_token(door: FrontDoor) -> None:
    assert door.call("POST", "/session", {"token": "wrong"}, unix=False).status == 401
    begun = door.call("POST", "/session", {"token": door.token}, unix=False)
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
    assert begun.status == 204
    assert door.call("GET", "/session", headers=cookie, unix=False).json()["via"] == "cookie"
    assert door.call("GET", "/session", headers=door.bearer, unix=False).json()["via"] == "bearer"
    old = door.bearer
    door.rotate()
    assert door.call("GET", "/status", headers=cookie, unix=False).status == 401
    assert door.call("GET", "/status", headers=old, unix=False).status == 401
    assert door.call("GET", "/status", headers=door.bearer, unix=False).status == 200


def test_a_page_of_another_site_or_a_name_that_was_bound_anew_reaches_nothing(world: World, door: FrontDoor) -> None:
    cookie = door.call("POST", "/session", {"token": door.token}, unix=False).headers["set-cookie"].partition(";")[0]
    session = {"Cookie": cookie}
    rebound = door.call("GET", "/status", headers=session | {"Host": f"evil.example:{door.port}"}, unix=False)
    assert (rebound.status, rebound.json()["error"]) == (421, "wrong_host")
    form = session | {"Origin": "http://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    assert door.call("POST", "/deployments", headers=form, raw=b"a=b", unix=False).status == 403
    text = session | {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    assert door.call("POST", "/deployments", headers=text, raw=b"{}", unix=False).status == 403
    fetched = session | {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert door.call("POST", "/deployments", {}, headers=fetched, unix=False).status == 403
    preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    asked = door.call("OPTIONS", "/deployments", headers=preflight, unix=False)
    assert not [name for name in asked.headers if name.startswith("access-control")]
    assert not world.requested()


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_anywhere_else(world: World, door: FrontDoor, path: str) -> None:
    world.add_node(1)
    reply = door.call("GET", path)
    assert reply.status in (400, 404), (path, reply.body[:200])
    assert b"PRIVATE KEY" not in reply.body
    assert door.token.encode() not in reply.body


def test_nothing_that_a_get_does_changes_anything(world: World, door: FrontDoor) -> None:
    world.add_node(1)
    before = sorted(path.stat().st_mtime_ns for path in (*world.nodes.iterdir(), world.markers, world.nodes))
    for path in ("/status", "/nodes", "/deployments", "/reasons", "/nodes/node_01.json", "/nodes/node_01.json/retire"):
        door.call("GET", path)
    for method in ("DELETE", "PUT", "PATCH"):
        assert door.call(method, "/nodes/node_01.json").status == 405
    assert sorted(path.stat().st_mtime_ns for path in (*world.nodes.iterdir(), world.markers, world.nodes)) == before


def test_the_token_is_in_no_log_and_in_no_answer(door: FrontDoor) -> None:
    for path in (f"/status?token={door.token}", f"/deployments/{door.token}", f"//{door.token}"):
        door.call("GET", path, headers=door.bearer | {"Referer": f"http://localhost/#token={door.token}"}, unix=False)
    door.call("POST", "/session", raw=b'{"token": 5}', unix=False)
    door.call("GET", "/status", headers={"Host": door.token}, unix=False)
    door.stop()
    assert door.token not in door.log_text()


def test_large_and_endless_bodies_are_cut(door: FrontDoor) -> None:
    connection = UnixConnection(door.path)
    connection.putrequest("POST", "/api/v1/validate", skip_host=True)
    for name, value in {
        "Host": "localhost",
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    piece = b"10000\r\n" + b" " * 65536 + b"\r\n"
    with ExitStack() as stack:
        stack.callback(connection.close)
        for _ in range(200):
            try:
                connection.send(piece)
            except OSError:
                break
        else:
            pytest.fail("12 MiB were taken")


def test_a_thousand_connections_and_slow_clients_do_not_stop_a_good_one(door: FrontDoor) -> None:
    assert door.get("/status")["running"] is False
    with ExitStack() as stack:
        for number in range(1000):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", door.port), timeout=5))
            if number % 2:
                one.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost")
        began_s = time.monotonic()
        assert door.get("/status")["running"] is False
        assert time.monotonic() - began_s < 2
        slow = stack.enter_context(socket.socket(socket.AF_UNIX))
        slow.connect(str(door.path))
        slow.settimeout(HEADER_LIMIT_S + 10)
        slow.sendall(b"GET /api/v1/status HTTP/1.1\r\n")
        assert slow.recv(100) == b""  # cut after the limit of a head
    assert door.call("GET", "/status", headers=door.bearer, unix=False).status == 200


def test_it_ends_at_once_with_ten_streams_open_and_each_stream_ends_whole(door: FrontDoor) -> None:
    door.get("/status")
    ends: list[bytes] = []

    def listen() -> None:
        connection = UnixConnection(door.path)
        connection.request("GET", "/api/v1/events", headers={"Host": "localhost"})
        answer = connection.getresponse()
        opened.release()
        ends.append(answer.read())
        connection.close()

    opened = threading.Semaphore(0)
    threads = [threading.Thread(target=listen) for _ in range(10)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert opened.acquire(timeout=20)
    assert door.stop() < 1
    for thread in threads:
        thread.join(20)
    assert len(ends) == 10
    assert all(b"event: reset" in end for end in ends)


def test_it_holds_no_state_a_restart_loses_nothing(world: World, door: FrontDoor) -> None:
    world.add_node(1)
    cookie = door.call("POST", "/session", {"token": door.token}, unix=False).headers["set-cookie"].partition(";")[0]
    door.stop(9)
    door.start()
    assert (
        door.call("GET", "/nodes", headers={"Cookie": cookie}, unix=False).json()["nodes"][0]["file"] == "node_01.json"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "there is no socket: systemctl start pinakad-web.socket"),
        (["--listen", "0.0.0.0:0"], "everybody on the way could read the token. Set certificate and key in [web]"),
        (["--listen", "localhost"], "write unix:PATH or ADDRESS:PORT, such as 127.0.0.1:7425"),
        (["--listen", "127.0.0.1:99999999"], "write unix:PATH or ADDRESS:PORT"),
        (["--listen", "unix:/nowhere/http.sock"], "cannot listen on 'unix:/nowhere/http.sock': no such file"),
    ],
)
def test_it_does_not_start_where_that_would_be_wrong_and_says_what_is_right(
    world: World, words: list[str], said: str
) -> None:
    done = start(world, *words)
    assert done.returncode == 78
    assert said in done.stderr


def test_a_configuration_that_is_wrong_is_named(world: World) -> None:
    world.configure(web={"origins": ["ops.example"]})
    done = start(world, "--listen", "127.0.0.1:0")
    assert done.returncode == 78
    assert "web.origins" in done.stderr
    assert 'as "https://ops.example"' in done.stderr


def start(world: World, *words: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        "PATH": os.environ["PATH"],
        "STATE_DIRECTORY": str(world.state),
        "RUNTIME_DIRECTORY": str(Path("/nowhere")),
    }
    return subprocess.run(
        [sys.executable, "-m", "pinakad.web", "--config", str(world.config), *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=30,
    )
