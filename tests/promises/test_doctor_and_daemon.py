"""Doctor and the daemon look at one site: what doctor says before the launch is what the verdict says."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from access_lists import grant
from daemon_process import without_rights
from pinakactl import Operator, ended
from world import World

from pinakad.report.document import Report
from pinakad.report.vocabulary import Reason

UNBROKEN = "script_failed"
Break = Callable[[World], object]


def replace_by_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def replace_by_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def keygen(world: World, *options: str) -> None:
    world.key.unlink()
    subprocess.run(["ssh-keygen", "-q", "-f", world.key, *options], check=True, capture_output=True)


def public_key(world: World) -> None:
    keygen(world, "-N", "")
    world.key.write_bytes(Path(f"{world.key}.pub").read_bytes())


def known_hosts(world: World) -> Path:
    path = world.root / "known_hosts"
    world.configure(ssh={"host_keys": "strict", "known_hosts": path})
    path.write_text("", encoding="utf-8")
    return path


BREAKS: dict[str, tuple[Break, str]] = {
    "nothing": (lambda _: None, UNBROKEN),
    "no script": (lambda world: world.script.unlink(), "script_not_found"),
    "no folder of the script": (lambda world: world.script.parent.rename(world.root / "away"), "script_not_found"),
    "a script that cannot be read": (lambda world: world.script.chmod(0), "script_not_runnable"),
    "a script in a folder that is closed": (lambda world: world.script.parent.chmod(0), "script_not_runnable"),
    "a folder as script": (lambda world: replace_by_folder(world.script), "script_not_runnable"),
    "a pipe as script": (lambda world: replace_by_pipe(world.script), "script_not_runnable"),
    "a script behind a file": (lambda world: world.configure(paths={"script": world.key / "x"}), "script_not_found"),
    "a script in a circle of links": (
        lambda world: (world.script.unlink(), world.script.symlink_to(world.script)),
        "script_not_runnable",
    ),
    "a script that all may change": (lambda world: world.script.chmod(0o757), "script_not_runnable"),
    "a folder of the script that all may change": (
        lambda world: world.script.parent.chmod(0o757),
        "script_not_runnable",
    ),
    "no key": (lambda world: world.key.unlink(), "ssh_key"),
    "a folder as key": (lambda world: replace_by_folder(world.key), "ssh_key"),
    "a pipe as key": (lambda world: replace_by_pipe(world.key), "ssh_key"),
    "an empty key": (lambda world: world.key.write_text(""), "ssh_key"),
    "a key that is too large": (lambda world: world.key.write_bytes(b"-" * 70_000), "ssh_key"),
    "a key that cannot be read": (lambda world: world.key.chmod(0), "ssh_key"),
    "a key in a folder that is closed": (lambda world: world.key.parent.chmod(0), "ssh_key"),
    "a public key": (public_key, "ssh_key"),
    "a key with a passphrase": (lambda world: keygen(world, "-N", "secret"), "ssh_key"),
    "a PKCS8 key": (lambda world: keygen(world, "-N", "", "-t", "rsa", "-m", "PKCS8"), UNBROKEN),
    "a PKCS8 key with a passphrase": (
        lambda world: keygen(world, "-N", "secret", "-t", "rsa", "-m", "PKCS8"),
        "ssh_key",
    ),
    "a broken certificate": (lambda world: Path(f"{world.key}-cert.pub").write_text("x"), "ssh_key"),
    "no known_hosts": (lambda world: known_hosts(world).unlink(), "ssh_key"),
    "an empty known_hosts": (known_hosts, UNBROKEN),
    "a broken known_hosts": (lambda world: known_hosts(world).write_text("nobody\n"), "ssh_key"),
    "a folder as known_hosts": (lambda world: replace_by_folder(known_hosts(world)), "ssh_key"),
    "a pipe as known_hosts": (lambda world: replace_by_pipe(known_hosts(world)), "ssh_key"),
    "a known_hosts that cannot be read": (lambda world: known_hosts(world).chmod(0), "ssh_key"),
    "a nodes folder that cannot be read": (lambda world: world.nodes.chmod(0), "nodes_unreadable"),
    "no nodes folder": (lambda world: world.nodes.rename(world.root / "away"), "nodes_unreadable"),
    "no node file": (lambda world: (world.nodes / "node_01.json").unlink(), "no_nodes"),
    "a node file that cannot be read": (lambda world: (world.nodes / "node_01.json").chmod(0), "invalid_nodes"),
    "a folder as node file": (lambda world: (world.nodes / "node_02.json").mkdir(), "invalid_nodes"),
    "half a node file": (lambda world: world.put_node("node_02.json", "{"), "invalid_nodes"),
    "two machines with one host name": (
        lambda world: world.add_node(2, hostname="sqdn-001", disk=["wwn-2"]),
        "invalid_nodes",
    ),
}
CHECKS = {"script": "script", "ssh_key": "key", "nodes": "node files", "invalid": "node files", "no": "node files"}


def diagnosed(operator: Operator) -> list[dict[str, str]]:
    code, out, err = ended(operator.begin("doctor", "--json"))
    assert code in (0, 1), err
    found: list[dict[str, str]] = json.loads(out)["findings"]
    assert (code == 1) == any(finding["severity"] == "fails" for finding in found)
    return found


def cause(report: Report) -> list[str]:
    """Return the words that a verdict before the launch is explained by."""
    if report.reason == Reason.INVALID_NODES:
        return [problem.message for problem in report.problems if problem.severity == "error"]
    if report.reason == Reason.NO_NODES:
        return ["there is no node file"]
    words = report.message.rpartition(": " if report.reason == Reason.NODES_UNREADABLE else "': ")[2]
    return [words]


@pytest.mark.parametrize(("break_it", "reason"), BREAKS.values(), ids=BREAKS)
def test_what_keeps_a_deployment_from_its_launch_is_what_doctor_says(
    world: World, operator: Operator, break_it: Break, reason: str
) -> None:
    world.write_script("exit 7")
    world.add_node(1, disk=["wwn-1"])
    break_it(world)
    world.as_who = without_rights()
    operator.give_up_rights()
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    found = diagnosed(operator)
    report = world.serve()
    for folder in (world.nodes, world.key.parent, world.script.parent):
        if folder.exists():
            folder.chmod(0o755)
    assert report.reason == reason, report.message
    failing = [finding for finding in found if finding["severity"] == "fails"]
    if reason == UNBROKEN:
        assert failing == []
        return
    check = next(check for begins, check in CHECKS.items() if reason.startswith(begins))
    said = " ".join(finding["message"] for finding in failing if finding["check"] == check)
    said = said.replace(" may not ", " permission denied ")  # doctor says whose, to what, and where
    for words in cause(report):
        assert words in said, (words, found)


@pytest.mark.parametrize(
    ("entries", "is_open"),
    [(("u:0:rw",), False), (("g:0:r",), False), (("u:12345:r",), True), (("g:12345:r",), True), (("o::r",), True)],
)
def test_whether_a_key_is_open_to_others_is_one_rule(
    world: World, operator: Operator, entries: tuple[str, ...], is_open: bool
) -> None:
    if os.getuid() != 0:
        pytest.skip("root's own id is in the lists")
    world.write_script("exit 7")
    world.add_node(1)
    grant(world.key, *entries)
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    found = [finding["message"] for finding in diagnosed(operator) if finding["check"] == "key"]
    told = [problem.message for problem in world.serve().problems]
    assert len(told) == is_open
    assert [message.partition(" is ")[2].partition(";")[0] for message in found] == [
        message.partition(" is ")[2].partition(";")[0] for message in told
    ]
