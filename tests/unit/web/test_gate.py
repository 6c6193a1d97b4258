"""Which calls does the gate let in? A table of everything that a hostile page or program may send."""

from typing import Any

import pytest
from web_calls import call_of

from pinakad.tables import WebSettings
from pinakad.web.credentials import Credentials
from pinakad.web.exchange import Refused
from pinakad.web.gate import MAX_BODY_BYTES, Gate, cors_headers, preflight_headers

TRUSTED = "https://ops.example"
JSON = {"content-type": "application/json", "content-length": "2"}


@pytest.fixture
def gate(tmp_path: Any) -> Gate:
    settings = WebSettings(hosts=["ops.example", "10.0.0.1:8443"], origins=[TRUSTED])
    return Gate(settings, Credentials(tmp_path / "token"))


def verdict(gate: Gate, **call: Any) -> int:
    try:
        gate.require_ours(call_of(**call), gate.origins)
    except Refused as refused:
        return refused.status
    return 200


@pytest.mark.parametrize(
    ("headers", "unix", "status"),
    [
        ([("host", "localhost:7425")], False, 200),
        ([("host", "LOCALHOST:7425")], False, 200),
        ([("host", "127.0.0.1:7425")], False, 200),
        ([("host", "[::1]:7425")], False, 200),
        ([("host", "ops.example")], False, 200),
        ([("host", "10.0.0.1:8443")], False, 200),
        ([("host", "localhost")], True, 200),
        ([("host", "localhost:18000")], True, 200),  # a tunnel from another desk
        ([], False, 421),
        ([("host", "localhost:7425"), ("host", "localhost:7425")], False, 421),
        ([("host", "localhost")], False, 421),
        ([("host", "localhost:80")], False, 421),
        ([("host", "evil.example:7425")], False, 421),  # DNS rebinding: evil.example leads to 127.0.0.1
        ([("host", "evil.example")], True, 421),
        ([("host", "localhost:7425.evil.example")], False, 421),
        ([("host", "localhost:7425@evil.example")], False, 421),
        ([("host", "127.0.0.1.evil.example:7425")], False, 421),
        ([("host", "[::1]")], False, 421),
        ([("host", "")], False, 421),
        ([("host", "10.0.0.1")], False, 421),
    ],
)
def test_a_host_that_is_not_ours_is_misdirected(
    gate: Gate, headers: list[tuple[str, str]], status: int, *, unix: bool
) -> None:
    assert verdict(gate, headers=headers, unix=unix) == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser sends this
        ({"origin": "http://localhost:7425"}, 200),
        ({"origin": "http://localhost:7425", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": TRUSTED, "sec-fetch-site": "cross-site"}, 200),
        ({"origin": TRUSTED.upper(), "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "http://localhost:9999"}, 403),
        ({"origin": "http://localhost:9999", "sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "null", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost:7425", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "http://evil.example/http://localhost:7425"}, 403),
        ({"origin": "http://user@localhost:7425"}, 403),
        ({"referer": "http://evil.example/"}, 200),  # a Referer decides nothing, and can open nothing either
        ({"origin": "http://evil.example", "referer": "http://localhost:7425/"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_a_page_of_another_site_cannot_change_anything(
    gate: Gate, method: str, headers: dict[str, str], status: int
) -> None:
    assert verdict(gate, method=method, headers=JSON | headers) == status
    assert verdict(gate, method="GET", headers=headers) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON, 200),
        ({"content-type": "application/json; charset=utf-8", "content-length": "2"}, 200),
        ({"content-type": "APPLICATION/JSON", "content-length": "2"}, 200),
        ({}, 200),
        ({"content-length": "0"}, 200),
        ({"content-length": "2"}, 415),
        ({"content-type": "text/plain", "content-length": "2"}, 415),  # what a form of another site may send
        ({"content-type": "application/x-www-form-urlencoded", "content-length": "2"}, 415),
        ({"content-type": "multipart/form-data", "transfer-encoding": "chunked"}, 415),
        ({"content-type": "application/json", "content-length": str(MAX_BODY_BYTES)}, 200),
        ({"content-type": "application/json", "content-length": str(MAX_BODY_BYTES + 1)}, 413),
        ({"content-type": "application/json", "content-length": "-1"}, 413),
        ({"content-type": "application/json", "content-length": "x"}, 413),
    ],
)
def test_a_body_is_json_and_not_too_large(gate: Gate, headers: dict[str, str], status: int) -> None:
    assert verdict(gate, method="POST", headers=headers) == status


def test_the_host_is_judged_before_the_origin_and_that_before_the_body(gate: Gate) -> None:
    everything = {"host": "evil.example", "origin": "http://evil.example", "content-length": "9"}
    assert verdict(gate, method="POST", headers=everything) == 421
    assert verdict(gate, method="POST", headers=everything | {"host": "localhost:7425"}) == 403


def test_only_a_named_origin_may_read_answers(gate: Gate) -> None:
    named, other = call_of(headers={"origin": TRUSTED}), call_of(headers={"origin": "http://localhost:1"})
    assert cors_headers(named, gate.origins)["Access-Control-Allow-Origin"] == TRUSTED
    assert cors_headers(other, gate.origins) == preflight_headers(other, gate.origins) == {}
    assert "POST" in preflight_headers(named, gate.origins)["Access-Control-Allow-Methods"]
    assert cors_headers(call_of(), frozenset()) == {}
