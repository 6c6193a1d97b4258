import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.config import (
    Config,
    ConfigError,
    config_file,
    load,
    parse,
    readable_key,
    require_same_paths,
    runtime_dir,
    state_dir,
)


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "x.toml")
    return str(caught.value)


def test_the_defaults_are_those_of_the_contract() -> None:
    config = parse("", "x.toml")
    assert config == Config()
    work_dir = Path("/home/pinakasupport/.pinaka_wd")
    assert config.nodes_dir == work_dir / "cluster/nodes"
    assert config.markers_dir == work_dir / ".markers/deplyment_status"
    assert config.script_path == work_dir / ".scripts/deployment_service.sh"
    assert config.key_path == work_dir / "key/ps_key.pem"
    poll = config.poll
    assert (poll.delay_s, poll.interval_s, poll.attempts, poll.stable_checks) == (90, 5, 120, 1)
    assert (poll.reboot, poll.identity, poll.ready_command) == ("report", "report", "")
    ssh = config.ssh
    assert (ssh.user, ssh.port, ssh.host_keys, ssh.allow_loopback) == ("pinakasupport", 22, "replace", False)
    assert (ssh.connect_timeout_s, ssh.banner_timeout_s, ssh.auth_timeout_s, ssh.command_timeout_s) == (5, 30, 15, 30)
    assert ssh.attempt_limit_s == 80
    script = config.script
    assert (script.launch, script.runner, script.output) == (True, "subprocess", "file")
    assert (script.log_max_bytes, script.timeout_s, config.history.keep) == (64 * 1024 * 1024, 3600, 100)
    assert (config.log.level, config.metrics.textfile) == ("info", None)


def test_each_path_can_be_set_on_its_own() -> None:
    config = parse('[paths]\nwork_dir = "/w"\nmarkers = "/m"\n[ssh]\nkey = "/k"', "x.toml")
    assert (config.nodes_dir, config.markers_dir, config.key_path) == (
        Path("/w/cluster/nodes"),
        Path("/m"),
        Path("/k"),
    )


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[poll]\ndelay = 5", ["unknown key 'poll.delay'", "delay_s"]),
        ("[polling]", ["unknown key 'polling'", "poll"]),
        ("x = 1", ["unknown key 'x'"]),
        ("poll = 5", ["'poll'"]),
        ("[poll]\nattempts = 0", ["'poll.attempts' = 0", "greater than or equal to 1"]),
        ("[poll]\ndelay_s = -1", ["'poll.delay_s' = -1"]),
        ("[poll]\ndelay_s = nan", ["'poll.delay_s'"]),
        ("[poll]\ninterval_s = inf", ["'poll.interval_s'"]),
        ('[poll]\nreboot = "maybe"', ["'poll.reboot' = 'maybe'", "'report'", "'require'", "'ignore'"]),
        ('[poll]\ndelay_s = "90"', ["'poll.delay_s' = '90'"]),
        ("[poll]\ndelay_s = true", ["'poll.delay_s' = True"]),
        ("[poll]\nattempts = 1.0", ["'poll.attempts' = 1.0"]),
        ("[script]\nlaunch = 0", ["'script.launch' = 0"]),
        ('[script]\nlaunch = "no"', ["'script.launch' = 'no'"]),
        ("[ssh]\nport = 65536", ["'ssh.port' = 65536"]),
        ("[ssh]\nuser = 5", ["'ssh.user' = 5"]),
        ('[ssh]\nhost_keys = "strict"', ["known_hosts"]),
        ('[paths]\nwork_dir = "wd"', ["'paths.work_dir' = 'wd'", "absolute"]),
        ('[paths]\nnodes = "/a\\u0000b"', ["'paths.nodes'"]),
        ("[paths]\nwork_dir = 5", ["'paths.work_dir' = 5"]),
        ('[ssh]\nkey = "ps_key.pem"', ["'ssh.key' = 'ps_key.pem'", "absolute"]),
        ('[metrics]\ntextfile = "x.prom"', ["'metrics.textfile'", "absolute"]),
        ("[history]\nkeep = 0", ["'history.keep' = 0"]),
        ('[log]\nlevel = "loud"', ["'log.level' = 'loud'"]),
        ("[poll", ["x.toml"]),
        ("a = 1\na = 2", ["x.toml"]),
        ("x = 2026-13-01", ["x.toml"]),
        ("x = " + "9" * 5000, ["x.toml"]),
        ("x = " + "[" * 5000, ["x.toml"]),
    ],
)
def test_what_is_wrong_is_refused_with_key_value_and_what_is_allowed(text: str, parts: list[str]) -> None:
    message = refused(text)
    for part in ("x.toml", *parts):
        assert part in message


def test_every_finding_has_a_line() -> None:
    assert len(refused("[poll]\nattempts = 0\ninterval_s = 0\n[log]\nlevel = 5").splitlines()) == 3


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_KEYS = ["paths", "script", "ssh", "poll", "work_dir", "launch", "port", "attempts", "delay_s", "known_hosts", "x"]


def toml(table: dict[str, Any]) -> str:
    return "\n".join(f"{key} = {_toml_value(value)}" for key, value in table.items())


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value) + '"'
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf"
    return str(value).lower()


@given(
    st.text(max_size=60)
    | st.text(alphabet='[]{}=".\n#x1-: ', max_size=40)
    | st.dictionaries(
        st.sampled_from(_KEYS),
        _SCALARS | st.dictionaries(st.sampled_from(_KEYS), _SCALARS, max_size=4),
        max_size=4,
    ).map(toml)
)
def test_any_text_is_a_configuration_or_a_documented_error(text: str) -> None:
    try:
        found: object = parse(text, "x.toml")
    except ConfigError as error:
        found = str(error)
    assert isinstance(found, Config) or found


def test_the_option_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {"PINAKAD_CONFIG": "/env.toml"}
    assert config_file(Path("/option.toml"), environ) == (Path("/option.toml"), True)
    assert config_file(None, environ) == (Path("/env.toml"), True)
    assert config_file(None, {"PINAKAD_CONFIG": ""}) == (Path("/etc/pinakad/pinakad.toml"), False)


def test_a_named_file_that_is_missing_or_unreadable_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "x.toml", {})
    with pytest.raises(ConfigError, match="it is no regular file"):
        load(None, {"PINAKAD_CONFIG": str(tmp_path)})
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot read the configuration"):
        load(tmp_path / "x.toml", {})


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[poll]\nattempts = 7\n")
    assert load(tmp_path / "x.toml", {}).poll.attempts == 7


def test_folders_come_from_systemd_where_it_names_them() -> None:
    environ = {"STATE_DIRECTORY": "/s:/other", "RUNTIME_DIRECTORY": "/r"}
    assert (state_dir(environ), runtime_dir(environ)) == (Path("/s"), Path("/r"))
    assert (state_dir({}), runtime_dir({})) == (Path("/var/lib/pinakad"), Path("/run/pinakad"))


def test_paths_cannot_change_while_the_daemon_runs() -> None:
    old = parse('[paths]\nwork_dir = "/a"', "x.toml")
    require_same_paths(old, parse('[paths]\nwork_dir = "/a"\n[poll]\nattempts = 7', "x.toml"))
    with pytest.raises(ConfigError, match=r"paths\.work_dir, paths\.nodes"):
        require_same_paths(old, parse('[paths]\nwork_dir = "/b"\nnodes = "/n"', "x.toml"))


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder"])
def test_what_is_no_file_is_no_configuration_and_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "pinakad.toml"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "link to a device":
        place.symlink_to("/dev/zero")
    elif kind == "folder":
        place.mkdir()
    with pytest.raises(ConfigError, match="it is no regular file"):
        load(place if kind != "device" else Path("/dev/zero"))


def test_a_configuration_behind_a_link_is_read_and_one_without_end_is_not(tmp_path: Path) -> None:
    real, link = tmp_path / "real.toml", tmp_path / "link.toml"
    link.symlink_to(real)
    real.write_text("[poll]\nattempts = 7\n", encoding="utf-8")
    assert load(link).poll.attempts == 7
    real.write_bytes(b"#" * (1 << 20) + b"\n")
    with pytest.raises(ConfigError, match="it has more than 1048576 bytes"):
        load(link)


def test_the_key_is_read_where_it_is_or_where_systemd_hands_it_over(tmp_path: Path) -> None:
    own, folder = tmp_path / "key.pem", tmp_path / "credentials"
    config = parse(f'[ssh]\nkey = "{own}"', "x.toml")
    environ = {"CREDENTIALS_DIRECTORY": str(folder)}
    assert readable_key(config, environ) == own  # neither is there: the message names the one that should be
    folder.mkdir()
    credential = folder / "ps_key"
    credential.write_text("none", encoding="ascii")
    assert readable_key(config, environ) == own
    credential.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n", encoding="ascii")
    assert readable_key(config, environ) == credential
    assert readable_key(config, {}) == own
    own.write_text("mine", encoding="ascii")
    assert readable_key(config, environ) == own
