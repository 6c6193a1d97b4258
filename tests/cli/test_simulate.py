"""Can an operator rehearse what goes wrong, without hardware?"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pinakactl import DEADLINE_S, PROGRAM, environment, pinakactl
from site_folders import write_key

from pinakad.cli.rehearsal.scenarios import SCENARIOS
from pinakad.report.document import Report


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[list["subprocess.Popen[str]"]]:
    """Give a list for what is to be ended after the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def begin(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start `pinakactl simulate`."""
    return subprocess.Popen(
        [*PROGRAM, "simulate", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder),
        cwd=folder,
    )


def read_until(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read what is printed until a line matches."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if re.search(pattern, line):
            return text
    raise AssertionError(f"no '{pattern}' in:\n{text}\n{process.stderr.read() if process.stderr else ''}")


def variables(printed: str) -> dict[str, str]:
    """Return the environment that is told for a daemon."""
    found = re.search(r"^  export (.*)$", printed, re.MULTILINE)
    assert found is not None
    return dict(re.findall(r"(\w+)='([^']*)'", found[1]))


def test_every_life_is_seen_by_a_daemon_that_is_started_as_it_is_printed(
    tmp_path: Path, begun: list["subprocess.Popen[str]"]
) -> None:
    names = [name for name in SCENARIOS if name != "slow"]
    begun.append(begin(tmp_path, *names, "--down", "0.5", "--trouble", "2s", "--into", "stage"))
    told = variables(read_until(begun[0], "its script orders a reboot"))
    config = Path(told["PINAKAD_CONFIG"])
    config.write_text(config.read_text(encoding="utf-8").replace("attempts = 60", "attempts = 13"), encoding="utf-8")
    own = environment(tmp_path) | told
    with (tmp_path / "log").open("wb") as log:
        begun.append(subprocess.Popen([sys.executable, "-m", "pinakad"], env=own, stdout=log, stderr=log, text=True))
    (tmp_path / "stage/work_dir/.markers/deplyment_status/deployment_in_progress").touch()
    done = pinakactl(tmp_path, "wait", "--quiet", variables=told)
    assert (done.returncode, done.stderr) == (1, "")
    report = Report.model_validate_json(pinakactl(tmp_path, "status", "--json", variables=told).stdout)
    nodes = {node.hostname.removesuffix("-01"): node for node in report.nodes}
    down = {name: node.reason for name, node in nodes.items() if node.state != "up"}
    assert down == {"never-back": "refused", "wrong-host": "wrong_host", "no-reboot": "not_rebooted"}
    assert nodes["installer-first"].reasons["wrong_host"] > 0
    assert nodes["late-keys"].reasons["auth_failed"] > 0
    assert nodes["other-host-key"].host_key == "changed"
    assert nodes["ordinary"].host_key == "new"


def test_it_ends_by_itself_and_leaves_nothing_unless_it_was_to_be_kept(tmp_path: Path) -> None:
    done = pinakactl(tmp_path, "simulate", "--for", "0.3")
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 nodes answer SSH on port " in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert pinakactl(tmp_path, "simulate", "--for", "0.1", "--into", "kept").returncode == 0
    assert (tmp_path / "kept" / "pinakad.toml").exists()
    assert pinakactl(tmp_path, "simulate", "--for", "0.1", "--into", "kept").returncode == 2


def test_ctrl_c_ends_it_cleanly(tmp_path: Path) -> None:
    process = begin(tmp_path)
    read_until(process, "its script orders a reboot")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, err) == (130, "pinakactl: the simulation was stopped by SIGINT\n")
    assert list(tmp_path.iterdir()) == []


def test_node_files_are_written_for_a_daemon_of_ones_own_whose_key_the_nodes_let_in(
    tmp_path: Path, begun: list["subprocess.Popen[str]"]
) -> None:
    write_key(tmp_path / "key")
    begun.append(begin(tmp_path, "ordinary=2", "--node-files", "files", "--key", "key"))
    printed = read_until(begun[0], "its script orders a reboot")
    files = sorted((tmp_path / "files").iterdir())
    assert [json.loads(path.read_bytes())["hostname"] for path in files] == ["ordinary-01", "ordinary-02"]
    config = tmp_path / "own.toml"
    config.write_text("[ssh]\nallow_loopback = true\n", encoding="utf-8")
    assert pinakactl(tmp_path, "--config", config, "validate", tmp_path / "files").returncode == 0
    port = re.search(r"port = (\d+), key = '(.*)'", printed)
    assert port is not None
    assert port[2] == str(tmp_path / "key")
    if shutil.which("ssh"):
        options = ["-i", port[2], "-p", port[1], "-oStrictHostKeyChecking=no", "-oUserKnownHostsFile=/dev/null"]
        command = ["ssh", "-oBatchMode=yes", *options, "anybody@127.0.2.1", "reboot"]
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
        assert done.returncode == 0, done.stderr
        assert read_until(begun[0], "ordinary-01 is down")


def test_the_demo_is_one_of_them(tmp_path: Path) -> None:
    done = pinakactl(tmp_path, "simulate", "demo", "--for", "0.1")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("demo-")] == [
        f"demo-0{number}" for number in range(1, 6)
    ]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nonsense"], "cannot find a life 'nonsense'; there are ordinary, slow, "),
        (["slow=x"], "cannot simulate 'slow=x': write slow or slow=3"),
        (["slow=0"], "write slow or slow=3"),
        (["slow=1001"], "1000 are the most"),
        (["demo", "slow"], "'demo' stands alone"),
        (["--for", "ever"], "'ever' is no duration"),
    ],
)
def test_wrong_use_says_what_there_is(tmp_path: Path, words: list[str], text: str) -> None:
    done = pinakactl(tmp_path, "simulate", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_key_or_a_port_that_cannot_be_used_is_told(tmp_path: Path, begun: list["subprocess.Popen[str]"]) -> None:
    (tmp_path / "key").write_text("no key", encoding="utf-8")
    done = pinakactl(tmp_path, "simulate", "--key", "key", "--for", "0.1")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "Traceback" not in done.stderr
    begun.append(begin(tmp_path))
    port = re.findall(r"SSH on port (\d+)", read_until(begun[0], "its script orders a reboot"))[0]
    done = pinakactl(tmp_path, "simulate", "--port", port, "--for", "0.1")
    assert done.returncode == 1
    assert f"cannot use port {port} on the addresses of the nodes" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be misled so")
@pytest.mark.parametrize("option", ["--into", "--node-files"])
def test_root_writes_in_no_folder_that_somebody_else_could_exchange(tmp_path: Path, option: str) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 40_713, 40_713)
    done = pinakactl(tmp_path, "simulate", "--for", "1s", option, folder / "new")
    assert done.returncode == 2
    assert f"'{folder}' belongs to user id 40713, who could change it; name a folder of root's" in done.stderr
    assert list(folder.iterdir()) == []
