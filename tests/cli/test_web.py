"""Who gets in by the front door: the address with the token, a new token, and a demo that serves the page."""

import http.client
import os
import re
import signal
import stat
from pathlib import Path

import pytest
from demo_process import demo_until
from pinakactl import PROGRAM, Operator, environment
from world import World


@pytest.fixture
def token(world: World) -> Path:
    """Give the place of a token that is not there yet."""
    place = world.root / "etc" / "web-token"
    world.configure(web={"token": place})
    return place


def test_without_a_token_it_says_how_to_get_one(operator: Operator, token: Path) -> None:
    for words in (("url",), ("token",)):
        done = operator.call("web", *words)
        assert done.returncode == 1
        assert f"there is no token in '{token}': pinakactl setup --web makes one" in done.stderr


def test_a_new_token_replaces_the_old_one_and_is_in_the_address(operator: Operator, token: Path) -> None:
    first = operator.call("web", "token", "--rotate").stdout.strip()
    assert re.fullmatch(r"[\w-]{43}", first)
    assert stat.S_IMODE(token.stat().st_mode) == 0o640
    assert operator.call("web", "url").stdout == f"http://localhost:7425/#token={first}\n"
    second = operator.call("web", "token", "--rotate").stdout.strip()
    assert second != first
    assert operator.call("web", "token").stdout.strip() == second == token.read_text(encoding="ascii").strip()


def test_a_link_where_the_token_belongs_is_not_written_through(operator: Operator, token: Path, world: World) -> None:
    target = world.root / "target"
    target.write_text("before", encoding="utf-8")
    token.parent.mkdir()
    token.symlink_to(target)
    assert operator.call("web", "token", "--rotate").returncode == 1
    assert target.read_text(encoding="utf-8") == "before"
    token.unlink()
    os.mkfifo(token)
    assert operator.call("web", "url").returncode == 1


def test_the_demo_serves_its_page_until_it_is_stopped(tmp_path: Path) -> None:
    with demo_until([*PROGRAM, "demo", "--web"], environment(tmp_path), tmp_path, "the page is there") as (
        process,
        said,
    ):
        port, secret = re.findall(r"http://localhost:(\d+)/#token=(\S+)", said)[0]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
        headers = {"Host": f"localhost:{port}", "Authorization": f"Bearer {secret}"}
        connection.request("GET", "/api/v1/status.txt", headers=headers)
        assert connection.getresponse().read().startswith(b"idle; last deployment completed")
        connection.request("GET", "/", headers={"Host": f"localhost:{port}"})
        assert b"<title>pinakad</title>" in connection.getresponse().read()
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert list(tmp_path.glob("pinakad-demo-*")) == []
