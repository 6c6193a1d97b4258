"""Is a node never lost: whatever happens to the agent, is the old configuration there in the end, or the confirmed new
one, and never neither?
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from node_agent import ADDRESS, AGENT, NOT_YET, Node, killed_after_each_line


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "root")


@pytest.fixture
def armed(node: Node) -> Node:
    """Give a node with the new configuration on trial, not rebooted yet."""
    assert node.push().returncode == 0
    assert node.arm().returncode == 0
    return node


def status(node: Node) -> dict[str, str]:
    found: dict[str, str] = json.loads(node.run("status").stdout)
    return found


def test_a_configuration_that_is_confirmed_after_the_reboot_stays(armed: Node) -> None:
    assert armed.is_new
    assert armed.boot().returncode == 0
    assert (armed.is_new, status(armed)["state"]) == (True, "trial")
    assert armed.run("confirm", "trial-1", over=ADDRESS).returncode == 0
    assert status(armed)["state"] == "confirmed"
    for _ in range(3):
        armed.boot()
    assert armed.is_new
    assert armed.told()[-1] == "systemctl stop pinakad-node.timer"


def test_without_a_confirmation_the_timer_brings_the_old_one_back_and_says_why(armed: Node) -> None:
    armed.boot()
    assert armed.run("rollback", "the new network was not confirmed within 300 s").returncode == 0
    assert armed.is_old
    found = status(armed)
    assert (found["state"], found["why"]) == ("rolled_back", "the new network was not confirmed within 300 s")
    assert armed.told()[-1] == "systemctl reboot"
    assert (armed.state / "evidence" / "tree" / "etc" / "hostname").read_text(encoding="utf-8") == "sqdn-001\n"
    assert armed.run("confirm", over=ADDRESS).returncode == 0  # nothing is on trial any more
    assert armed.is_old


def test_a_machine_that_is_switched_off_and_on_again_goes_back_before_its_network_is_there(armed: Node) -> None:
    armed.boot()
    assert armed.is_new
    armed.boot()
    assert armed.is_old
    assert "booted again" in status(armed)["why"]


@pytest.mark.parametrize(
    ("words", "over", "rebooted", "said"),
    [
        (["trial-2"], ADDRESS, True, "not trial-2"),
        (["trial-1"], "10.0.0.99", True, "over another address"),
        (["trial-1"], "", True, "over another address"),
        (["trial-1"], ADDRESS, False, "has not rebooted yet"),
        ([], "10.0.0.99", True, "over another address"),
        ([], ADDRESS, False, "has not rebooted yet"),
    ],
)
def test_nothing_but_a_login_over_the_new_address_after_the_reboot_confirms(
    armed: Node, words: list[str], over: str, said: str, *, rebooted: bool
) -> None:
    if rebooted:
        armed.boot()
    done = armed.run("confirm", *words, over=over)
    assert (done.returncode, said in done.stderr.decode()) == (NOT_YET, True), done
    assert status(armed)["state"] == "trial"


def test_a_second_trial_waits_for_the_end_of_the_first(armed: Node) -> None:
    assert armed.push().returncode == 0
    assert armed.arm("trial-2").returncode == NOT_YET
    assert status(armed)["id"] == "trial-1"


def test_two_agents_at_once_are_one(armed: Node) -> None:
    with subprocess.Popen(
        ["flock", str(armed.state / "lock"), "sh", "-c", "echo held; read -r _"], stdin=-1, stdout=-1
    ) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        assert armed.run("rollback", "why").returncode == NOT_YET
        held.communicate(b"\n")
    assert armed.is_new


@pytest.mark.parametrize(
    "path",
    [
        "etc/passwd",
        "../etc/netplan",
        "etc/netplan/../shadow",
        "/etc/netplan",
        "etc/netplan/",
        "",
        "root/.ssh",
        "etc/hosts/..",
    ],
)
def test_what_is_no_network_configuration_is_not_taken(node: Node, path: str) -> None:
    done = node.push(paths=[path])
    assert done.returncode != 0
    assert node.arm().returncode == 1
    assert node.is_old


def test_what_came_damaged_is_not_taken(node: Node) -> None:
    assert node.run("push", "0" * 64, given=b"garbage").returncode == 1
    assert node.arm().returncode == 1
    assert node.is_old


def test_a_full_disk_before_the_trial_changes_nothing(node: Node, tmp_path: Path) -> None:
    assert node.push().returncode == 0
    if not _is_root():
        pytest.skip("a small file system needs root")
    small = node.state
    kept = tmp_path / "kept"
    shutil.move(small, kept)
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(small)], check=True)
    try:
        shutil.copytree(kept, small, dirs_exist_ok=True)
        (small / "filler").write_bytes(b"x" * 20_000)
        big = node.root / "etc/netplan/big.yaml"
        big.write_bytes(b"#" * 40_000)
        assert node.arm().returncode not in (0, NOT_YET)
        assert not (small / "trial").exists()
        big.unlink()
        assert node.is_old
    finally:
        subprocess.run(["umount", str(small)], check=True)


def _is_root() -> bool:
    return subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout.strip() == "0"


# --- killed, or the power cut, anywhere


def settle(node: Node) -> None:
    """Do what happens by itself: boots, and the timer where something is on trial after them."""
    node.boot()
    if (node.state / "trial").exists():
        node.run("rollback", "the new network was not confirmed")


ARM = killed_after_each_line("arm")
ROLLBACK = killed_after_each_line("rollback")
BOOT = killed_after_each_line("boot")


def test_there_are_lines_to_be_killed_after() -> None:
    assert min(map(len, (ARM, ROLLBACK, BOOT))) > 15


@pytest.mark.parametrize("text", ARM, ids=lambda text: str(ARM.index(text)))
def test_cut_off_after_any_line_of_arming_it_has_the_old_network_or_the_whole_new_one(node: Node, text: str) -> None:
    assert node.push().returncode == 0
    node.arm(text=text)
    node.boot()
    assert node.is_old or node.is_new, node.configuration()
    if (node.state / "trial").exists():
        assert node.is_new
        assert (node.state / "trial" / "placed").exists()
    settle(node)
    assert node.is_old
    assert not (node.state / "trial").exists()
    assert node.push().returncode == 0
    assert node.arm("again").returncode == 0
    assert node.is_new


@pytest.mark.parametrize("text", ROLLBACK, ids=lambda text: str(ROLLBACK.index(text)))
def test_cut_off_after_any_line_of_the_way_back_it_gets_there_at_the_next_boot(armed: Node, text: str) -> None:
    armed.boot()
    armed.run("rollback", "not confirmed", text=text)
    armed.boot()
    assert armed.is_old, armed.configuration()
    assert not (armed.state / "trial").exists()
    assert "not confirmed" in status(armed)["why"] or "booted again" in status(armed)["why"]


@pytest.mark.parametrize("text", BOOT, ids=lambda text: str(BOOT.index(text)))
def test_cut_off_after_any_line_of_a_boot_it_gets_there_at_a_later_one(armed: Node, text: str) -> None:
    armed.boot()
    armed.boot(text=text)
    armed.boot()
    assert armed.is_old, armed.configuration()


# --- each guard is needed: without it a promise is broken


def broken(tmp_path: Path, *changes: tuple[str, str]) -> Node:
    """Return a node whose agent has parts of it replaced."""
    text = AGENT.read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    node = Node(tmp_path / "broken", text)
    assert node.push().returncode == 0
    return node


def test_without_the_counting_of_boots_a_machine_that_is_switched_on_again_stays_cut_off(tmp_path: Path) -> None:
    node = broken(tmp_path, ('$(($(cat "$TRIAL/boots") + 1))', "1"))
    node.arm()
    node.boot()
    node.boot()
    assert not node.is_old


@pytest.mark.parametrize(
    ("guard", "over", "rebooted"),
    [
        ('[ "$(came_in_over)" = "$(cat "$TRIAL/address")" ]', "10.0.0.99", True),
        ('[ "$(boot_id)" != "$(cat "$TRIAL/armed_boot_id")" ] || { say', ADDRESS, False),
        ('[ "$1" = "$(cat "$TRIAL/id")" ]', ADDRESS, True),
    ],
)
def test_without_any_of_its_guards_a_wrong_confirmation_counts(
    tmp_path: Path, guard: str, over: str, *, rebooted: bool
) -> None:
    node = broken(tmp_path, (guard, "true || { say" if guard.endswith("say") else "true"))
    node.arm()
    if rebooted:
        node.boot()
    words = ["other"] if "$1" in guard else []
    assert node.run("confirm", *words, over=over).returncode == 0
    assert status(node)["state"] == "confirmed"


def test_without_the_renames_in_their_order_a_cut_leaves_a_trial_without_the_old_configuration(tmp_path: Path) -> None:
    begin, copy = '    mkdir "$STATE/trial.new" "$STATE/trial.new/old"\n', '    copy_owned "$ROOT" "$STATE'
    early = (begin, '    mkdir -p "$TRIAL/old"; ln -s trial "$STATE/trial.new"\n')
    late = ('    mv "$STATE/trial.new" "$TRIAL"\n', "")
    node = broken(tmp_path, early, late, (copy, f"    kill -9 $$\n{copy}"))
    node.arm()
    node.boot()
    assert not node.is_old or (node.state / "trial").exists()


def test_without_the_mark_of_what_is_in_place_a_half_armed_node_is_kept(tmp_path: Path) -> None:
    halfway = (
        '            mv "$place.pinakad-new" "$place"\n',
        '            mv "$place.pinakad-new" "$place"; kill -9 $$\n',
    )
    node = broken(tmp_path, halfway, ('if [ ! -e "$TRIAL/placed" ]; then', "if false; then"))
    node.arm()
    node.boot()
    assert not node.is_old
    assert not node.is_new
