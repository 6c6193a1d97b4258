import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
import time
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from pinakactl import DEADLINE_S, PROGRAM, environment, pinakactl

from pinakad import __version__
from pinakad.cli.commands.config import toml_value
from pinakad.cli.program import COMMANDS
from pinakad.config import Config, parse
from pinakad.tables import CompatSettings


def write_config(folder: Path, text: str) -> Path:
    path = folder / "pinakad.toml"
    path.write_text(text, encoding="utf-8")
    return path


# --- the frame


def test_help_names_every_command_with_the_first_sentence_of_its_own_help(tmp_path: Path) -> None:
    shown = " ".join(pinakactl(tmp_path, "--help").stdout.split())
    for name, sentence in COMMANDS.items():
        assert import_module(f"pinakad.cli.commands.{name}").command.help.splitlines()[0] == sentence
        assert f"{name} {sentence}" in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_by_examples(tmp_path: Path, name: str) -> None:
    done = pinakactl(tmp_path, name, "--help")
    assert done.returncode == 0
    assert f"\n    pinakactl {name}" in done.stdout


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert pinakactl(tmp_path, "--version").stdout == f"pinakactl, version {__version__}\n"


def test_without_a_command_the_help_is_shown_and_the_use_is_wrong(tmp_path: Path) -> None:
    done = pinakactl(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nonsense"], "pinakactl: No such command 'nonsense'; see pinakactl --help\n"),
        (["status", "--nonsense"], "; see pinakactl status --help\n"),
        (["status", "nonsense"], "unexpected extra argument (nonsense); see pinakactl status --help"),
    ],
)
def test_wrong_use_is_told_in_one_line_that_says_where_the_help_is(
    tmp_path: Path, arguments: list[str], text: str
) -> None:
    done = pinakactl(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_failure_is_told_in_one_line_and_with_its_traceback_only_on_demand(tmp_path: Path) -> None:
    text = f"pinakactl: cannot read the configuration '{tmp_path}/none.toml': no such file\n"
    done = pinakactl(tmp_path, "--config", "none.toml", "config")
    assert (done.returncode, done.stderr) == (2, text.replace(f"{tmp_path}/", ""))
    done = pinakactl(tmp_path, "--debug", "config", variables={"PINAKAD_CONFIG": str(tmp_path / "none.toml")})
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    assert done.stderr.endswith(text)


def test_status_imports_nothing_that_only_the_daemon_or_other_commands_need(tmp_path: Path) -> None:
    heavy = [
        "paramiko",
        "watchdog",
        "asyncio",
        "pinakad.daemon.daemon",
        "pinakad.daemon.startup",
        "pinakad.simulate",
        "pinakad.cli.commands.demo",
    ]
    look = f"[m for m in {heavy} if m in sys.modules]"
    code = f"import sys; from pinakad.cli.program import run; run(['status']); print({look})"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_ends_it_without_a_word(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, "config"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(tmp_path, PYTHONUNBUFFERED=""),
        timeout=DEADLINE_S,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_ctrl_c_ends_it_without_a_traceback(tmp_path: Path) -> None:
    reader = [*PROGRAM, "validate", "-"]
    with subprocess.Popen(
        reader, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(tmp_path)
    ) as process:
        assert process.stdin is not None
        os.write(process.stdin.fileno(), b"{")
        _until_it_was_read(process.stdin.fileno())
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        _, said = process.communicate(timeout=DEADLINE_S)
    assert said.strip() == b""


def _until_it_was_read(pipe: int) -> None:
    """Wait until what was written to the pipe was taken out of it: from then on the reader waits for more."""
    deadline_s = time.monotonic() + DEADLINE_S
    while int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


# --- config


def test_the_configuration_is_told_as_toml_that_means_the_same(tmp_path: Path) -> None:
    path = write_config(tmp_path, '[paths]\nwork_dir = "/srv/\\u00e9\\u007f\\" \\\\"\n[poll]\ninterval_s = 0.25\n')
    done = pinakactl(tmp_path, "--config", path, "config")
    assert done.returncode == 0
    told, meant = parse(done.stdout, "told"), parse(path.read_text(encoding="utf-8"), "meant")
    assert (told.nodes_dir, told.markers_dir, told.script_path, told.key_path) == (
        meant.nodes_dir,
        meant.markers_dir,
        meant.script_path,
        meant.key_path,
    )
    assert told.poll == meant.poll
    assert told.script == meant.script
    assert "\x7f" not in done.stdout


def test_every_key_says_where_its_value_came_from(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[poll]\ndelay_s = 90\n")
    done = pinakactl(tmp_path, "config", variables={"PINAKAD_CONFIG": str(path)})
    lines = {line.split(" =")[0]: line for line in done.stdout.splitlines() if " =" in line}
    assert lines["delay_s"].startswith("delay_s = 90 ")
    assert "# file;" in lines["delay_s"]
    assert "# default;" in lines["interval_s"]
    assert "# not set;" in lines["# known_hosts"]
    assert f'# file     "{path}"  (environment: $PINAKAD_CONFIG)' in done.stdout
    assert f'# state    "{tmp_path}/state"  (environment: $STATE_DIRECTORY; it does not exist)' in done.stdout
    wanted = {key for table in Config.model_fields for key in type(getattr(Config(), table)).model_fields}
    wanted = (wanted - {"compat"}) | set(CompatSettings.model_fields)
    assert {name.removeprefix("# ") for name in lines} == wanted


def test_the_option_wins_over_the_environment(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[log]\nlevel = 'debug'\n")
    done = pinakactl(tmp_path, "--config", path, "config", variables={"PINAKAD_CONFIG": "/nowhere"})
    assert 'level = "debug"' in done.stdout
    assert f'# file     "{path}"  (--config)' in done.stdout


def test_the_configuration_as_json_has_value_and_origin_of_every_key(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[ssh]\nport = 2222\n")
    told = json.loads(pinakactl(tmp_path, "--config", path, "config", "--json").stdout)
    assert told["settings"]["ssh"]["port"] == {"value": 2222, "from": "file"}
    assert told["settings"]["ssh"]["user"] == {"value": "pinakasupport", "from": "default"}
    assert told["settings"]["metrics"]["textfile"] == {"value": None, "from": "default"}
    assert told["places"]["file"] == {"value": str(path), "from": "option"}
    assert told["places"]["runtime"] == {"value": str(tmp_path / "run"), "from": "environment"}


def test_a_wrong_configuration_is_refused_with_every_finding_of_the_daemon(tmp_path: Path) -> None:
    path = write_config(tmp_path, "[poll]\ndelay = 90\nattempts = 0\n")
    done = pinakactl(tmp_path, "--config", path, "config")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 2
    assert "unknown key 'poll.delay'; known are attempts," in done.stderr
    assert "cannot use 'poll.attempts' = 0" in done.stderr


@pytest.mark.parametrize(
    "value", ["", 'a"b\\c', "\x1b[2J\n\t\x00\u202e\x7f", "\u00e9\U0001f600", True, 0, 1.5, 1e9, -3]
)
def test_a_value_is_written_as_toml_reads_it(value: str | float) -> None:
    text = toml_value(value)
    assert tomllib.loads(f"key = {text}")["key"] == value
    assert text.isprintable()
