"""Does `doctor` find what would make the next deployment fail, and nothing else?"""

import errno
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from machines import Machines
from pinakactl import ask, environment, pinakactl
from site_folders import CANCEL, REQUEST
from world import World

from pinakad.cli.checks.account import Account
from pinakad.cli.checks.context import Check, CheckContext, Finding, Weight, fails
from pinakad.cli.checks.host import file_system
from pinakad.client.daemon_view import DaemonView
from pinakad.config import Config


def findings(world: World, *arguments: str, code: int = 1) -> dict[tuple[str, str], list[str]]:
    """Return what doctor finds: (check, severity) -> messages, each of which must come with a remedy."""
    told = json.loads(ask(world, "doctor", "--json", *arguments, code=code))
    assert told["ok"] == (code == 0)
    found: dict[tuple[str, str], list[str]] = {}
    for finding in told["findings"]:
        assert finding["remedy"], finding
        if finding["message"].endswith("seen by rescans, every 5 seconds"):
            continue  # other programs of this host may have all the watches that there are
        found.setdefault((finding["check"], finding["severity"]), []).append(finding["message"])
    assert any(severity == "fails" for _, severity in found) == (code == 1)
    return found


@pytest.fixture
def healthy(world: World) -> World:
    """Give a world in which a deployment would complete, with a daemon that runs."""
    world.write_script("echo hello")
    world.add_node(1)
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    return world


def test_where_all_is_well_every_check_says_so_and_nothing_is_touched(healthy: World) -> None:
    before = sorted(str(path) for path in healthy.root.rglob("*"))
    lines = ask(healthy, "doctor").splitlines()
    assert [line.split()[0] for line in lines[:-2]] == ["ok"] * 14, lines
    assert lines[-1] == "nothing here would make the next deployment fail; 0 warnings"
    assert findings(healthy, code=0) == {}
    assert sorted(str(path) for path in healthy.root.rglob("*")) == before


def test_what_it_calls_healthy_is_deployed(world: World, machines: Machines) -> None:
    machines.add(1)
    world.add_node(1)
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    assert findings(world, "--reach", code=0) == {}
    assert world.serve().outcome == "completed"


def no_script(world: World) -> None:
    world.script.unlink()


def folder_as_script(world: World) -> None:
    world.script.unlink()
    world.script.mkdir()


def broken_script(world: World) -> None:
    world.script.write_text("if true; then\n", encoding="utf-8")


def no_key(world: World) -> None:
    world.key.unlink()


def key_of_nothing(world: World) -> None:
    world.key.write_text("-----BEGIN NOTHING-----\n", encoding="utf-8")


def key_with_a_passphrase(world: World) -> None:
    words = ["ssh-keygen", "-q", "-p", "-N", "secret", "-f", str(world.key)]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def no_nodes(world: World) -> None:
    (world.nodes / "node_01.json").unlink()


def no_nodes_folder(world: World) -> None:
    no_nodes(world)
    world.nodes.rmdir()


def broken_node(world: World) -> None:
    world.put_node("node_02.json", "{")


def twice_the_same_address(world: World) -> None:
    world.add_node(2)
    world.put_node("node_03.json", (world.nodes / "node_02.json").read_bytes().replace(b"sqdn-002", b"sqdn-003"))


BROKEN = [
    (no_script, "script", "cannot run the script '{script}': no such file or directory", "script_not_found"),
    (folder_as_script, "script", "cannot run the script '{script}': it is not a file", "script_not_runnable"),
    (broken_script, "script", "bash cannot read the script: {script}: line 2: syntax error", "script_failed"),
    (no_key, "key", "cannot read the SSH key '{key}': no such file", "ssh_key"),
    (key_of_nothing, "key", "cannot use the SSH key '{key}': not a private key", "ssh_key"),
    (key_with_a_passphrase, "key", "cannot use the SSH key '{key}': it needs a passphrase", "ssh_key"),
    (no_nodes, "node files", "there is no node file (node_<digits>.json) in '{nodes}'", "no_nodes"),
    (broken_node, "node files", "node_02.json: cannot read the file as JSON", "invalid_nodes"),
    (twice_the_same_address, "node files", "node_03.json", "invalid_nodes"),
]


@pytest.mark.parametrize(("break_it", "check", "text", "reason"), BROKEN)
def test_what_it_finds_does_make_the_next_deployment_fail(
    healthy: World, break_it: Callable[[World], None], check: str, text: str, reason: str
) -> None:
    break_it(healthy)
    [(place, messages)] = findings(healthy).items()
    assert place == (check, "fails")
    assert messages[0].startswith(text.format(script=healthy.script, key=healthy.key, nodes=healthy.nodes))
    assert healthy.serve().reason == reason


def test_a_script_that_somebody_else_runs_is_found(healthy: World) -> None:
    healthy.script.write_text("read -r _\n", encoding="utf-8")
    with subprocess.Popen(["bash", str(healthy.script)], stdin=subprocess.PIPE) as other:
        found = findings(healthy, code=0)
        assert list(found) == [("script", "warning")]
        assert found["script", "warning"][0].startswith(f"process {other.pid} runs '{healthy.script}' right now; ")
        other.communicate(b"\n")
    assert findings(healthy, code=0) == {}


def test_a_deployment_that_runs_is_no_finding(healthy: World) -> None:
    line, go_on = healthy.gate()
    healthy.write_script(line)
    healthy.touch()
    healthy.wait(healthy.runs, "the script")
    assert findings(healthy, code=0) == {}
    go_on()


def test_a_front_end_without_credentials_is_told_of_with_what_it_means(healthy: World) -> None:
    healthy.configure(**{"web.compat": {"enabled": True, "origins": ["http://ops.example"]}})
    [found] = findings(healthy, code=0)[("front door", "warning")]
    assert "http://ops.example" in found
    assert "may deploy without credentials" in found


def test_without_a_daemon_a_request_and_a_half_done_run_are_found(healthy: World) -> None:
    line, go_on = healthy.gate()
    healthy.write_script(line)
    healthy.touch()
    healthy.wait(healthy.runs, "the script")
    healthy.kill()
    (healthy.markers / CANCEL).touch()
    found = findings(healthy)
    assert found["daemon", "fails"] == [f"no daemon runs for '{healthy.state}': nobody would take a request"]
    assert found["markers", "fails"] == [f"'{REQUEST}' is there, and no daemon takes it"]
    assert found["markers", "warning"][0].startswith(f"'{CANCEL}' lies around: ")
    [text] = found["state", "warning"]
    assert text.startswith(f"deployment {healthy.deployments()[0]} is ")
    go_on()


def test_a_cancel_that_nobody_asked_for_is_found_and_then_removed_by_the_next_run(healthy: World) -> None:
    healthy.cancel()
    assert list(findings(healthy, code=0)) == [("markers", "warning")]


def test_another_version_of_the_daemon_is_a_warning(healthy: World) -> None:
    status = json.loads((healthy.runtime / "status.json").read_bytes())
    status["daemon"] |= {"version": "0.0.1", "watch": "rescans"}
    other = healthy.root / "other"
    other.mkdir()
    (other / "status.json").write_text(json.dumps(status), encoding="utf-8")
    told = json.loads(ask(healthy, "doctor", "--json", RUNTIME_DIRECTORY=str(other)))
    messages = [finding["message"] for finding in told["findings"]]
    assert messages[0].startswith("the daemon that runs is version 0.0.1, this is ")
    assert messages[1].startswith("the daemon sees no file system events")


def test_a_configuration_that_the_daemon_would_refuse_is_told_key_by_key(healthy: World) -> None:
    healthy.config.write_text("[poll]\ndelay = 1\nattempts = 0\n", encoding="utf-8")
    found = findings(healthy)
    assert list(found) == [("configuration", "fails")]
    assert len(found["configuration", "fails"]) == 2


def test_folders_that_are_missing_or_open_to_everybody_are_found(healthy: World) -> None:
    healthy.markers.chmod(0o777)
    assert findings(healthy, code=0)["folders", "warning"] == [
        f"everybody may write in paths.markers = '{healthy.markers}'"
    ]
    no_nodes_folder(healthy)
    found = findings(healthy)
    assert found["folders", "fails"] == [f"there is no folder paths.nodes = '{healthy.nodes}'"]
    assert found["node files", "fails"][0].startswith("cannot read the node files in ")


def test_superseded_files_are_told_in_one_finding_that_holds_nobody_up(healthy: World) -> None:
    for number in (1, 2, 3):
        healthy.add_node(number, hostname="SQDN-001", disk=["wwn-0x5000"])
    [text] = findings(healthy, code=0)["node files", "warning"]
    assert text.endswith(": node_01.json by node_03.json, node_02.json by node_03.json")


def test_reach_tells_how_far_a_login_to_each_node_gets_and_pins_nothing(world: World, machines: Machines) -> None:
    machines.add(1)
    machines.add(2, up=False)
    stranger = machines.add(3)
    stranger.allow("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPLzpmTZQDqiVKtQ0Rb6PAtCqzjFBLLnTSuoHzGyWqNJ stranger")
    for number in (1, 2, 3):
        world.add_node(number)
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    told: dict[str, Any] = json.loads(ask(world, "doctor", "--reach", "--json"))
    rungs = {node["hostname"]: (node["rung"], node["reason"]) for node in told["nodes"]}
    assert rungs == {
        "sqdn-001": ("command", None),
        "sqdn-002": (None, "refused"),
        "sqdn-003": ("host_key", "auth_failed"),
    }
    assert {finding["severity"] for finding in told["findings"]} == {"warning"}
    assert not (world.state / "known_hosts").exists()
    text = ask(world, "doctor", "--reach")
    assert f"warning  reach: sqdn-002 at {world.address(2)} got to nothing: refused (" in text


def test_on_a_bare_machine_it_says_what_to_do_first(tmp_path: Path) -> None:
    done = pinakactl(tmp_path, "doctor", variables={"HOME": str(tmp_path)})
    assert (done.returncode, done.stderr) == (1, "")
    assert "to mend it: pinakactl setup" in done.stdout
    assert environment(tmp_path)["STATE_DIRECTORY"] in done.stdout


# --- whose rights count


@pytest.mark.parametrize(
    ("mode", "account", "allowed"),
    [
        (0o740, Account("owner", os.getuid(), frozenset()), 7),
        (0o047, Account("owner", os.getuid(), frozenset()), 0),
        (0o740, Account("member", 4_000_001, frozenset({os.getgid()})), 4),
        (0o704, Account("member", 4_000_001, frozenset({os.getgid()})), 0),
        (0o705, Account("other", 4_000_001, frozenset({4_000_001})), 5),
    ],
)
def test_a_mode_allows_what_the_class_of_the_account_has(
    tmp_path: Path, mode: int, account: Account, allowed: int
) -> None:
    file = tmp_path / "file"
    file.touch()
    os.chown(file, -1, os.getgid())
    file.chmod(mode)
    assert account.allowed(file.stat()) == allowed


def test_a_closed_folder_on_the_way_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    (tmp_path / "file").touch()
    other = Account("somebody", 4_000_001, frozenset({4_000_001}))
    text = other.obstacle(tmp_path / "file", os.R_OK)
    assert text is not None
    assert text.startswith("somebody may not enter '/")
    with pytest.raises(FileNotFoundError):
        Account("root", 0, frozenset({0})).obstacle(tmp_path / "none", os.R_OK)


def test_what_we_may_not_look_at_is_a_warning_and_what_was_found_before_is_told(tmp_path: Path) -> None:
    def look(_: CheckContext) -> Iterator[Finding]:
        yield fails("first", "mend it")
        raise PermissionError(errno.EACCES, "Permission denied", "/closed")

    daemon = Account("pinakasupport", 4_000_001, frozenset())
    nobody = DaemonView(running=False, daemon=None, report=None)
    scene = CheckContext(Config(), tmp_path, tmp_path, tmp_path, nobody, daemon, by_systemd=False)
    first, second = Check("closed", "", look).findings(scene)
    assert first.message == "first"
    assert (second.weight, second.remedy) == (Weight.WARNING, "sudo pinakactl doctor")
    assert second.message == "we may not look at '/closed', the daemon's user (pinakasupport) may be able to"


def test_the_innermost_mount_tells_the_type_of_a_folders_file_system() -> None:
    mounts = "/dev/a / ext4 rw 0 0\nhost:/x /mnt/with\\040space nfs4 rw 0 0\nproc /proc proc rw 0 0\n"
    assert file_system(Path("/mnt/with space/deep"), mounts) == "nfs4"
    assert file_system(Path("/usr"), mounts) == "ext4"


def test_where_no_node_can_be_asked_it_is_told_why_once(healthy: World) -> None:
    no_key(healthy)
    found = findings(healthy, "--reach")
    assert list(found) == [("key", "fails"), ("reach", "warning")]
    assert found["reach", "warning"] == [f"no node can be asked: cannot read the SSH key '{healthy.key}': no such file"]
