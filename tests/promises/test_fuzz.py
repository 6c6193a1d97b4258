"""Does anything but the documented errors come out, whatever goes in?

Here: sound documents of every kind, changed at any depth. What a single reader makes of arbitrary bytes is asked in the
tests of its module.
"""

import ipaddress
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import mutants, node_files
from report_example import finished_report

from pinakad import config
from pinakad.login.facts import MarkedFacts
from pinakad.markers.folder import Markers
from pinakad.markers.request import parse_request
from pinakad.nodes.hostname import is_hostname
from pinakad.nodes.reading import read_file
from pinakad.nodes.selection import select_nodes
from pinakad.problems import Problem
from pinakad.report.document import Report
from pinakad.ssh.banner import _banner_length, _shown
from pinakad.ssh.host_keys import HostKeys
from pinakad.state.store import StateUnreadableError, Store

MANY = settings(max_examples=300, deadline=None)
_CONFIG: dict[str, Any] = {
    "paths": {"work_dir": "/srv/wd", "nodes": "/n", "markers": "/m", "script": "/s.sh"},
    "script": {"launch": True, "runner": "subprocess", "output": "file", "log_max_bytes": 5000, "timeout_s": 60},
    "ssh": {"user": "u", "key": "/k", "port": 22, "host_keys": "strict", "known_hosts": "/h", "connect_timeout_s": 1.5},
    "poll": {"delay_s": 0, "interval_s": 0.5, "attempts": 3, "reboot": "require", "ready_command": "true"},
    "history": {"keep": 3},
    "log": {"level": "debug"},
}


def assert_tellable(problem: Problem) -> None:
    assert problem.line().isprintable()
    assert len(problem.line()) < 3000
    assert Problem.model_validate_json(problem.model_dump_json()) == problem


@given(st.lists(node_files(), min_size=1, max_size=4), st.booleans())
@MANY
def test_mutants_of_node_files_are_nodes_or_problems(raws: list[bytes], loopback: bool) -> None:
    files = [read_file(f"node_{n:02}.json", raw, allow_loopback=loopback) for n, raw in enumerate(raws, 1)]
    for asked in (None, frozenset({"node_01.json"})):
        found = select_nodes(files, asked)
        for problem in found.problems:
            assert_tellable(problem)
        for node in found.nodes:
            assert is_hostname(node.hostname)
            if node.address_source != "ssh":
                assert ipaddress.IPv4Address(node.address).is_loopback <= loopback
        assert not found.ok or len(found.nodes) + len(found.superseded) == (1 if asked else len(files))


@given(mutants({"nodes": ["node_05.json", "node_06.json"], "request_id": "ticket"}, 0) | st.binary(max_size=30))
@MANY
def test_mutants_of_requests_are_requests_or_problems(asked: Any) -> None:
    raw = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    document, problems = parse_request(raw)
    assert (document is None) == bool(problems)
    for problem in problems:
        assert_tellable(problem)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "deployment_in_progress").write_bytes(raw)
        found = Markers(Path(name)).read()
    assert found is not None
    assert (found.document, list(found.problems)) == (document, problems)
    part = found.part()
    assert type(part).model_validate_json(part.model_dump_json()) == part


@given(mutants(_CONFIG).filter(lambda tables: isinstance(tables, dict)))
@MANY
def test_mutants_of_configurations_are_settings_or_a_documented_error(tables: dict[str, Any]) -> None:
    try:
        found = config.parse(toml(tables), "x.toml")
    except config.ConfigError as error:
        lines = str(error).splitlines()
        assert lines
        assert all(line.startswith(("x.toml: ", "cannot read the configuration 'x.toml': ")) for line in lines), lines
        assert all(line.isprintable() for line in lines), lines
    else:
        assert found.ssh.attempt_limit_s > 0
        assert str(found.key_path)


@given(mutants(json.loads(finished_report().json_text()), 0), st.integers(0, 20_000), st.binary(max_size=3))
@MANY
def test_mutants_of_reports_are_a_report_or_unreadable(document: Any, place: int, more: bytes) -> None:
    raw = json.dumps(document).encode()
    raw = raw[:place] + more + raw[place + len(more) :] if more else raw
    identifier = finished_report().id
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        store.prepare()
        store.folder(identifier).mkdir()
        (store.folder(identifier) / "report.json").write_bytes(raw)
        try:
            found = store.load(identifier)
        except StateUnreadableError as error:
            said = str(error)
            found = None
        if found is None:
            assert said.isprintable()
            assert store.latest() is None
        else:
            assert Report.model_validate_json(found.json_text()) == found


@given(
    st.lists(
        st.sampled_from(["pinakad-a=", "=a-pinakad", "\n", "1.5", "a.b", "-", "\x1b", "\x85", "0" * 36, "x" * 400])
        | st.text()
    )
)
@MANY
def test_whatever_a_node_prints_only_facts_in_their_form_come_out(pieces: list[str]) -> None:
    facts = MarkedFacts("a")
    for piece in pieces:
        facts.feed(piece.encode("utf-8", "replace"))
    boot_id, uptime_s, hostname = facts.values()
    assert boot_id is None or (len(boot_id) == 36 and boot_id.isascii() and boot_id.isprintable())
    assert uptime_s is None or uptime_s >= 0
    assert hostname is None or is_hostname(hostname)


@given(st.binary(max_size=300) | st.lists(st.sampled_from([b"SSH-", b"\n", b"\r", b"2.0-", b"\x1b"])).map(b"".join))
@MANY
def test_whatever_a_node_says_first_is_cut_at_a_line_and_shown_escaped(seen: bytes) -> None:
    length = _banner_length(seen)
    assert 0 <= length <= len(seen)
    assert not length or seen[length - 1 : length] == b"\n"
    assert _shown(seen).isprintable()


@given(st.binary(max_size=300))
@MANY
def test_whatever_known_hosts_says_the_keys_are_only_new(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "known_hosts"
        path.write_bytes(raw)
        keys = HostKeys(path, "replace", None)
        assert all(isinstance(kind, str) for kind in keys.preferred("10.0.0.1"))


def toml(value: Any) -> str:
    """Return the TOML text of what TOML can say; null is left out."""
    return "\n".join(f"{_text(key)} = {_inline(item)}" for key, item in value.items() if item is not None)


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)} = {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, str):
        return _text(value)
    return '""' if value is None else json.dumps(value)


def _text(value: str) -> str:
    return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not "\ud800" <= c <= "\udfff") + '"'


def test_settings_that_a_newer_version_has_kept_do_not_make_its_report_unreadable() -> None:
    document = json.loads(finished_report().json_text())
    document["policy"]["ssh"]["of_tomorrow"] = document["policy"]["of_tomorrow"] = 5
    assert Report.model_validate_json(json.dumps(document)) == finished_report()


def test_what_is_wrong_with_a_report_is_told_in_one_line_whatever_its_keys_are() -> None:
    document = json.loads(finished_report().json_text())
    document["nodes"][0]["reasons"] = {"\x1b[2J\n": 1}
    with tempfile.TemporaryDirectory() as name:
        store = Store(Path(name))
        store.prepare()
        store.folder(document["id"]).mkdir()
        (store.folder(document["id"]) / "report.json").write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(StateUnreadableError) as caught:
            store.load(document["id"])
    assert str(caught.value).isprintable()
    assert "\\x1b" in str(caught.value)
