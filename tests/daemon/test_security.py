"""What do links, loose modes and the words of a hostile node make pinakad do?"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from access_lists import grant
from hostile import ESCAPING, Zoo
from site_folders import CANCEL, REQUEST
from world import ANSWERS, World

from pinakad.problems import Code

PORT = 2022
BEFORE = b"before"


@pytest.fixture
def elsewhere(world: World) -> Iterator[Path]:
    """Give a file that is none of pinakad's business; whatever happens, it stays as it is."""
    folder = world.root / "elsewhere"
    folder.mkdir()
    file = folder / "file"
    file.write_bytes(BEFORE)
    file.chmod(0o604)
    folder.chmod(0o705)
    before = state_of(folder)
    yield file
    if world.daemon is not None:
        world.kill()
    assert state_of(folder) == before


def state_of(folder: Path) -> list[tuple[Any, ...]]:
    """Return all that a write, a chmod, a touch or a removal would change."""
    found = []
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found.append((path.name, status.st_ino, status.st_mode, status.st_mtime_ns, status.st_uid, content))
    return found


def short(world: World) -> None:
    """Let a run end soon: its one node is not there."""
    world.configure(poll={"attempts": 1, "reboot": "ignore"})
    world.add_node(1)


# --- links


@pytest.mark.parametrize("target", ["file", ".", "nothing"])
def test_a_request_that_is_a_link_is_answered_and_removed_without_following_it(
    world: World, elsewhere: Path, target: str
) -> None:
    short(world)
    world.start()
    (world.markers / REQUEST).symlink_to(elsewhere.parent / target)
    report = world.answer()
    world.wait_idle()
    assert (report.reason, world.runs()) == ("invalid_request", [])
    assert [problem.code for problem in report.problems] == [Code.NOT_A_FILE]


@pytest.mark.parametrize("target", ["file", "."])
def test_a_cancel_that_is_a_link_cancels_and_is_removed_without_following_it(
    world: World, elsewhere: Path, target: str
) -> None:
    line, _ = world.gate()
    world.write_script(line)
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    (world.markers / CANCEL).symlink_to(elsewhere.parent / target)
    assert world.answer().outcome == "cancelled"
    world.wait_idle()
    assert not os.path.lexists(world.markers / CANCEL)


def test_a_node_file_that_is_a_link_is_refused(world: World, elsewhere: Path) -> None:
    world.add_node(1)
    (world.nodes / "node_02.json").symlink_to(elsewhere)
    world.start()
    report = world.serve()
    assert report.reason == "invalid_nodes"
    assert [(problem.file, problem.code) for problem in report.problems] == [("node_02.json", Code.NOT_A_FILE)]


@pytest.mark.parametrize("target", ["file", ".", "nothing"])
def test_links_in_place_of_all_that_a_run_writes_are_replaced_not_followed(
    world: World, elsewhere: Path, target: str
) -> None:
    short(world)
    away = elsewhere.parent / target
    answers = [world.markers / name for name in (*ANSWERS, ".pinakad-answer")]
    state = [world.state / name for name in ("known_hosts", ".known_hosts.new", "canary/canary")]
    runtime = [world.runtime / name for name in ("status.json", ".status.json.new")]
    (world.state / "canary").mkdir()
    for place in (*answers, *state, *runtime):
        place.symlink_to(away)
    line, go = world.gate()
    world.write_script(line)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    folder = world.folder()
    late = [folder / name for name in (".report.json.new", ".exit.new", "answered")]
    for number, place in enumerate((*late, world.markers / ".pinakad-answer")):
        link = world.drafts / str(number)
        link.symlink_to(away)
        link.rename(place)  # a draft of the daemon's own may stand there just now
    go()
    report = world.answer()
    world.wait(lambda: not world.requested(), "the request gone")
    world.stop()
    assert report.reason == "nodes_unreachable"
    written = [world.markers / "deployment_failed", folder / "report.json", folder / "exit", folder / "script.log"]
    for place in (*written, *runtime[:1], *state[2:]):
        assert place.is_file() and not place.is_symlink(), place  # noqa: PT018 - one question


def test_a_script_log_that_is_a_link_is_replaced_not_followed(world: World, elsewhere: Path) -> None:
    short(world)
    world.write_script("echo said")
    # the folder's name is known before it is made: whoever could write there would race with us
    watcher = f'while :; do for d in {world.state}/deployments/*/; do ln -s {elsewhere} "$d/script.log"; done; done'
    racer = subprocess.Popen(["/bin/sh", "-c", watcher], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        world.start()
        report = world.serve()
    finally:
        racer.kill()
        racer.wait()
    assert report.script is not None
    assert report.script.exit_code == 0
    assert elsewhere.read_bytes() == BEFORE


@pytest.mark.parametrize("name", ["deployments", "canary", "lock"])
def test_a_daemon_whose_state_folder_leads_elsewhere_does_not_start(world: World, elsewhere: Path, name: str) -> None:
    (world.state / name).symlink_to(elsewhere if name == "lock" else elsewhere.parent)
    world.start(ready=False)
    world.wait(lambda: world.daemon_code() is not None, "the end of the daemon")
    assert world.daemon_code() == 78
    assert f"{world.state / name}" in world.log_text()


def test_a_deployment_that_is_a_link_is_none_and_is_never_pruned(world: World, elsewhere: Path) -> None:
    short(world)
    world.configure(history={"keep": 1})
    (world.state / "deployments").mkdir()
    planted = world.state / "deployments" / "20000101T000000Z.0001"
    planted.symlink_to(elsewhere.parent)
    world.start()
    world.touch()
    first = world.answer()
    world.wait(lambda: not list(world.markers.glob(".pinakad-*")), "the first request gone for good")
    world.touch()
    world.answer()
    world.wait(lambda: not world.folder(first.id).exists(), "the first one pruned")
    assert planted.is_symlink()
    assert first.id.endswith(".0001"), "it was not counted either"


def test_a_request_set_aside_that_is_a_link_is_never_followed(world: World, elsewhere: Path) -> None:
    short(world)
    (world.markers / ".pinakad-request-20000101T000000Z.0001").symlink_to(elsewhere)
    world.start()
    assert world.answer().reason == "invalid_request"
    world.wait_idle()
    assert not list(world.markers.glob(".pinakad-request-2000*"))


# --- modes


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o000])
def test_what_is_written_has_the_promised_modes_whatever_the_umask(world: World, mask: int) -> None:
    short(world)
    world.write_script("echo said")
    with umask(mask):
        world.start()
    report = world.serve()
    folder = world.folder(report.id)
    modes = {
        0o644: [
            world.markers / "deployment_failed",
            world.runtime / "status.json",
            folder / "report.json",
            folder / "report.durable.json",
            folder / "started",
            folder / "exit",
        ],
        0o640: [folder / "nodes" / "node_01.json", folder / "script.log"],
        0o755: [world.state / "deployments", folder, folder / "nodes"],
    }
    for mode, places in modes.items():
        for place in places:
            assert f"{place.stat().st_mode & 0o7777:o}" == f"{mode:o}", place


def loosen_script(world: World) -> Path:
    world.script.chmod(0o777)
    return world.script


def loosen_folder(world: World) -> Path:
    world.script.parent.chmod(0o777)
    return world.script.parent


@pytest.mark.parametrize("loosen", [loosen_script, loosen_folder])
def test_a_script_that_everybody_can_change_is_not_run_as_root(world: World, loosen: Callable[[World], Path]) -> None:
    short(world)
    place = loosen(world)
    world.start()
    report = world.serve()
    if os.getuid() == 0:
        assert (report.reason, world.runs()) == ("script_not_runnable", [])
        assert str(place) in report.message
        assert "chmod o-w" in report.message
    else:
        assert [problem.code for problem in report.problems] == [Code.LOOSE_PERMISSIONS]
        assert len(world.runs()) == 1


def give_script_away(world: World) -> Path:
    os.chown(world.script, 12345, 0)
    return world.script


def share_script(world: World) -> Path:
    os.chown(world.script, -1, 12345)
    world.script.chmod(0o775)
    return world.script


def share_folder(world: World) -> Path:
    os.chown(world.script.parent, -1, 12345)
    world.script.parent.chmod(0o775)
    return world.script


def show_key(world: World) -> Path:
    world.key.chmod(0o640)
    return world.key


def list_script(world: World) -> Path:
    grant(world.script, "u:12345:rw")
    return world.script


def list_key(world: World) -> Path:
    grant(world.key, "u:12345:r")
    return world.key


def list_key_for_a_group(world: World) -> Path:
    grant(world.key, "g:12345:r")
    return world.key


@pytest.mark.parametrize(
    "loosen",
    [give_script_away, share_script, share_folder, show_key, list_script, list_key, list_key_for_a_group],
)
def test_what_openssh_or_sudo_would_frown_at_is_told_and_holds_nobody_up(
    world: World, loosen: Callable[[World], Path]
) -> None:
    if os.getuid() != 0 and loosen in (give_script_away, share_script, share_folder):
        pytest.skip("only root can give files away")
    short(world)
    place = loosen(world)
    world.start()
    report = world.serve()
    assert [(found.file, found.code, found.severity) for found in report.problems] == [
        (place.name, Code.LOOSE_PERMISSIONS, "warning")
    ]
    assert f"<4>{place.name}: " in world.log_text()
    assert len(world.runs()) == 1


def test_a_key_that_only_the_daemons_user_may_read_by_a_list_is_not_told_about(world: World) -> None:
    short(world)
    grant(world.key, f"u:{os.getuid()}:r")
    world.start()
    assert world.serve().problems == []


def test_a_sound_script_and_key_are_not_told_about(world: World) -> None:
    short(world)
    world.start()
    assert world.serve().problems == []


# --- what a node says


def test_no_word_of_a_node_reaches_log_status_or_terminal_unescaped(world: World) -> None:
    kinds = [*ESCAPING, "healthy"]
    zoo = Zoo({f"{world.address(number)}:{PORT}": kind for number, kind in enumerate(kinds, 1)})
    try:
        for number in range(1, len(kinds) + 1):
            world.add_node(number)
        world.configure(
            ssh={"port": PORT, "banner_timeout_s": 1, "auth_timeout_s": 2, "command_timeout_s": 2},
            poll={"interval_s": 1, "attempts": 3},
            log={"level": "debug"},
        )
        world.start()
        report = world.serve(30)
    finally:
        zoo.close()
    assert {node.reason for node in report.nodes} >= {"not_ssh", "auth_failed", "error", None}
    assert sum("\\x1b" in node.message for node in report.nodes) >= 3, "what they said is told, escaped"
    shown = [world.log.read_bytes(), (world.runtime / "status.json").read_bytes()]
    shown += [(world.markers / "deployment_failed").read_bytes(), *(text.encode() for text in world.notify.messages)]
    shown += [pinakactl(world, "status"), pinakactl(world, "status", "--json")]
    for text in shown:
        lines = text.decode("utf-8").split("\n")
        assert all(line.isprintable() for line in lines), [line for line in lines if not line.isprintable()]
        assert not [line for line in lines if line.lstrip("<0123456789>").startswith("forged")]


def pinakactl(world: World, *words: str) -> bytes:
    """Return what pinakactl prints."""
    own = {"STATE_DIRECTORY": str(world.state), "RUNTIME_DIRECTORY": str(world.runtime)}
    command = [sys.executable, "-m", "pinakad.cli", *words, "--config", str(world.config)]
    done = subprocess.run(command, check=False, capture_output=True, env=dict(os.environ) | own)
    return done.stdout + done.stderr


# --- root, and what belongs to others

OTHER = 4711


def give(path: Callable[[World], Path], group: int = 0, mode: int = 0o755) -> Callable[[World], Path]:
    """Let a folder belong to somebody else."""

    def act(world: World) -> Path:
        place = path(world)
        os.chown(place, OTHER, group)
        place.chmod(mode)
        return place

    return act


@pytest.mark.skipif(os.getuid() != 0, reason="it is about root")
@pytest.mark.parametrize(
    "loosen",
    [
        give(lambda world: world.state),
        give(lambda world: world.runtime),
        give(lambda world: world.markers),
        give(lambda world: world.markers.parent),
        give(lambda world: world.config, mode=0o644),
    ],
)
def test_root_does_not_run_on_what_somebody_else_could_exchange(world: World, loosen: Callable[[World], Path]) -> None:
    place = loosen(world)
    world.start(ready=False)
    assert world.wait(world.daemon_code, "its end") == 78
    assert f"'{place}' belongs to user id {OTHER}" in world.log_text()
    assert "systemctl start pinakad" in world.log_text()
    assert "setpriv --reuid=pinakasupport" in world.log_text()
    assert list(world.state.iterdir()) == []


@pytest.mark.skipif(os.getuid() != 0, reason="it is about root")
def test_root_serves_markers_of_its_own_that_a_group_may_write(world: World) -> None:
    short(world)
    os.chown(world.markers, 0, OTHER)
    world.markers.chmod(0o2775)
    world.start()
    assert world.serve().reason == "nodes_unreachable"
    world.stop()
    world.markers.chmod(0o777)
    world.start(ready=False)
    assert world.wait(world.daemon_code, "its end") == 78
    assert "can be changed by everybody" in world.log_text()
