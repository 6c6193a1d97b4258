"""Who gets in, for how long, and how often may somebody guess?"""

from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from web_calls import call_of

from pinakad.web.credentials import COOKIE, LIFE_S, Credentials
from pinakad.web.exchange import Call, Refused

TOKEN = "t" * 43


class Clock:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.wall_s, self.now_s = 1_800_000_000.0, 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def door(tmp_path: Path, clock: Clock) -> Credentials:
    (tmp_path / "token").write_text(f"{TOKEN}\n", encoding="ascii")
    return Credentials(tmp_path / "token", lambda: clock.wall_s, lambda: clock.now_s)


def with_token(token: str) -> Call:
    return call_of(headers={"authorization": f"Bearer {token}"})


def with_cookie(door: Credentials, *, forged: str = "") -> Call:
    made = SimpleCookie(door.new_cookie(is_tls=False))[COOKIE].value
    return call_of(headers={"cookie": f"other=1; {COOKIE}={forged or made}"})


def refusal(door: Credentials, call: Call) -> tuple[int, str]:
    with pytest.raises(Refused) as found:
        door.way_in(call)
    return found.value.status, found.value.code


def test_three_ways_lead_in(door: Credentials) -> None:
    assert door.way_in(call_of(unix=True, headers={"host": "localhost"})) == "unix"
    assert door.way_in(with_token(TOKEN)) == "bearer"
    assert door.way_in(with_cookie(door)) == "cookie"
    assert refusal(door, call_of()) == (401, "no_token")
    assert refusal(door, with_token("x" * 43)) == (401, "wrong_token")
    assert refusal(door, call_of(headers={"authorization": f"Basic {TOKEN}"})) == (401, "no_token")


def test_a_cookie_is_for_scripts_of_nobody_and_for_no_other_site(door: Credentials) -> None:
    made = door.new_cookie(is_tls=True)
    assert {"HttpOnly", "SameSite=Strict", "Secure", "Path=/"} <= set(made.split("; "))
    assert "Secure" not in door.new_cookie(is_tls=False)
    assert TOKEN not in made


def test_a_cookie_ends_with_its_time_and_cannot_be_made_longer(door: Credentials, clock: Clock) -> None:
    call = with_cookie(door)
    expiry, _, signature = SimpleCookie(call.header("cookie"))[COOKIE].value.partition(".")
    later, endless = f"{int(expiry) + 1}.{signature}", f"{'9' * 30}.{signature}"
    for forged in (later, f"{expiry}.", expiry, endless, f"x.{signature}"):
        assert refusal(door, with_cookie(door, forged=forged)) == (401, "no_token")
    clock.wall_s += LIFE_S - 1
    assert door.way_in(call) == "cookie"
    clock.wall_s += 1
    assert refusal(door, call) == (401, "no_token")


def test_a_new_token_ends_every_session_at_once(door: Credentials, tmp_path: Path) -> None:
    call = with_cookie(door)
    (tmp_path / "token").write_text("u" * 43, encoding="ascii")
    assert refusal(door, call) == (401, "no_token")
    assert refusal(door, with_token(TOKEN)) == (401, "wrong_token")
    assert door.way_in(with_token("u" * 43)) == "bearer"


@pytest.mark.parametrize("content", ["", "short", "with space " * 9, "\n"])
def test_without_a_sound_token_nobody_gets_in(door: Credentials, tmp_path: Path, content: str) -> None:
    (tmp_path / "token").write_text(content, encoding="ascii")
    for call in (with_token(content.strip()), with_token("")):
        assert refusal(door, call)[0] == 503
    assert door.way_in(call_of(unix=True)) == "unix"
    (tmp_path / "token").unlink()
    (tmp_path / "token").symlink_to("/etc/hostname")
    assert refusal(door, with_token("x"))[0] == 503


def test_five_wrong_tokens_a_minute_and_nobody_is_locked_out_by_them(door: Credentials, clock: Clock) -> None:
    assert [refusal(door, with_token("wrong"))[0] for _ in range(7)] == [401] * 5 + [429] * 2
    assert door.way_in(with_token(TOKEN)) == "bearer"
    clock.now_s += 12
    assert [refusal(door, with_token("wrong"))[0] for _ in range(2)] == [401, 429]
    clock.now_s += 600
    assert [refusal(door, with_token("wrong"))[0] for _ in range(6)] == [401] * 5 + [429]


def test_right_tokens_are_not_counted(door: Credentials) -> None:
    assert [door.way_in(with_token(TOKEN)) for _ in range(50)] == ["bearer"] * 50
