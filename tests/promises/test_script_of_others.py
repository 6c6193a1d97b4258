"""Somebody else starts the deployment script, too: it is not run twice, and its end is waited for."""

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from fakes import Fakes, says
from machines import Machines
from paths import PROGRAMS
from processes import mentioning
from world import World

from pinakad.report.document import Report, ScriptPart
from pinakad.script.processes import state_of

STARTS = 8
SEED = 20261124
MARK = f"6{os.getpid():07}"
"""By so many seconds our sleepers are known: another run of these tests may have its own at the same time."""


@pytest.fixture
def one(world: World, machines: Machines) -> Machines:
    """Give a world of one node that is up."""
    world.add_node(1)
    machines.add(1)
    return machines


@pytest.fixture
def by_hand(world: World) -> Iterator[Callable[..., "subprocess.Popen[bytes]"]]:
    """Give a function that starts the script as a back end does; it is reaped."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> "subprocess.Popen[bytes]":
        command = words or ("bash", str(world.script))
        started.append(subprocess.Popen(command, cwd=world.script.parent, stdin=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


Start = Callable[..., "subprocess.Popen[bytes]"]


def script_of(world: World) -> ScriptPart | None:
    """Return the report's entry of the latest run, as it is told now; None where there is none yet."""
    with suppress(FileNotFoundError, IndexError):
        return world.report().script
    return None


def codes(report: Report) -> list[str]:
    return [problem.code for problem in report.problems]


def test_a_foreign_run_is_adopted_and_its_end_waited_for(world: World, one: Machines, by_hand: Start) -> None:
    wait, let_go = world.gate()
    world.write_script(f"{wait}\nexit 7")
    world.start()
    other = by_hand()
    world.wait(world.runs, "the back end's run")
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    script = world.wait(lambda: script_of(world), "the script in the report")
    assert (script.adopted, script.pid, script.state) == (True, other.pid, "running")
    let_go()
    other.wait()
    report = world.answer()
    assert (report.outcome, world.runs()) == ("completed", ["by-hand"])
    assert report.script is not None
    assert (report.script.state, report.script.exit_code, report.script.signal) == ("exited", None, None)
    assert codes(report).count("script_adopted") == 1


def test_an_adopted_run_is_followed_over_a_restart_whether_it_lives_on_or_not(
    world: World, one: Machines, by_hand: Start
) -> None:
    wait, let_go = world.gate()
    world.write_script(wait)
    for lives_on in (True, False):
        world.start()
        other = by_hand()
        world.wait(lambda n=2 - lives_on: len(world.runs()) == n, "the back end's run")
        world.touch()
        world.wait(lambda n=other.pid: (part := script_of(world)) and part.pid == n, "it in the report")
        world.kill()
        if not lives_on:
            let_go()
            other.wait()
        world.start()
        if lives_on:
            world.wait_for_node(1, lambda node: node.state == "up")
            assert not [name for name in os.listdir(world.markers) if name.startswith("deployment_c")]  # noqa: PTH208
            let_go()
            other.wait()
        report = world.answer()
        world.wait_idle()
        assert report.outcome == "completed", report.message
        assert report.script is not None
        assert (report.script.adopted, report.script.exit_code) == (True, None)
        world.stop()
    assert world.runs() == ["by-hand"] * 2


def test_starts_at_any_moment_before_our_launch_are_adopted_and_none_is_doubled(
    world: World, one: Machines, by_hand: Start
) -> None:
    """The baseline waits two seconds for a node that says nothing: so long a back end has time."""
    silent = Fakes()
    silent.serve(world.address(2), one.port, says(b""))
    world.add_node(2)
    world.configure(poll={"attempts": 1, "interval_s": 0.1})
    world.write_script("sleep 0.3")
    dice = random.Random(SEED)  # noqa: S311 - nothing secret
    world.start()
    try:
        for number in range(STARTS):
            begin = threading.Timer(dice.random(), by_hand)
            world.touch()
            begin.start()
            report = world.answer()
            world.wait_idle()
            begin.join()
            assert report.script is not None
            assert report.script.adopted
            assert world.runs() == ["by-hand"] * (number + 1)
    finally:
        silent.close()


def test_one_that_begins_after_our_launch_is_told_and_both_ends_are_waited_for(
    world: World, one: Machines, by_hand: Start
) -> None:
    world.write_script('[ -n "$PINAKAD_DEPLOYMENT_ID" ] && { touch "$PINAKAD_WORK_DIR/up"; sleep 7; exit 0; }\nsleep 9')
    world.start()
    world.touch()
    world.wait((world.work_dir / "up").exists, "our run")
    other = by_hand()
    world.wait_for_log("run twice")
    report = world.answer(deadline_s=30)
    assert other.poll() == 0
    assert report.outcome == "completed"
    assert report.script is not None
    assert not report.script.adopted
    assert codes(report).count("script_doubled") == 1


@pytest.mark.parametrize("begins", ["before the request", "while the first one runs", "just before the first one ends"])
def test_of_several_foreign_runs_the_last_ones_end_is_waited_for(
    world: World, one: Machines, by_hand: Start, begins: str
) -> None:
    wait, let_go = world.gate()
    world.write_script(f'[ "$1" = second ] && {{ sleep 7; exit 0; }}\n{wait}')
    world.start()
    first, second = by_hand(), None
    if begins == "before the request":
        second = by_hand("bash", str(world.script), "second")
    world.wait(lambda: len(world.runs()) == 1 + bool(second), "the back end's runs")
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    if second is None:
        second = by_hand("bash", str(world.script), "second")
        world.wait(lambda: len(world.runs()) == 2, "the second run")
    if begins == "while the first one runs":
        world.wait_for_log("run twice")
    let_go()
    first.wait()
    report = world.answer()
    assert second.poll() == 0
    assert report.outcome == "completed"
    assert codes(report).count("script_doubled") == 1
    assert codes(report).count("script_adopted") == 1


def test_one_that_begins_just_before_our_own_ends_is_waited_for(world: World, one: Machines, by_hand: Start) -> None:
    wait, let_go = world.gate()
    world.write_script(f'[ "$1" = second ] && {{ sleep 2; exit 0; }}\n{wait}')
    world.start()
    world.touch()
    world.wait_for_node(1, lambda node: node.state == "up")
    other = by_hand("bash", str(world.script), "second")
    world.wait(lambda: len(world.runs()) == 2, "the second run")
    let_go()
    report = world.answer()
    assert other.poll() == 0
    assert codes(report).count("script_doubled") == 1


def test_a_cancelled_run_ends_every_foreign_one(world: World, one: Machines, by_hand: Start) -> None:
    world.write_script("sleep 60 & wait")
    world.start()
    others = [by_hand(), by_hand()]
    world.wait(lambda: len(world.runs()) == 2, "the back end's runs")
    world.touch()
    world.wait(lambda: (part := script_of(world)) and part.adopted, "it in the report")
    world.cancel()
    assert world.answer().outcome == "cancelled"
    assert [other.wait(5) for other in others] == [-signal.SIGTERM] * 2


def test_a_cancelled_run_ends_an_adopted_script_with_what_it_started(
    world: World, one: Machines, by_hand: Start
) -> None:
    world.write_script(f"sleep {MARK}1 & setsid sleep {MARK}1 & touch {world.root}/up; wait")
    world.start()
    other = by_hand()
    world.wait((world.root / "up").exists, "its children")
    world.touch()
    world.wait(lambda: (part := script_of(world)) and part.adopted, "it in the report")
    world.cancel()
    assert world.answer().outcome == "cancelled"
    assert other.wait(5) == -signal.SIGTERM
    assert mentioning(f"sleep\0{MARK}1") == []


# --- launch = false


@pytest.mark.parametrize("begins", ["before the request", "after the request", "while nodes are polled"])
def test_a_script_that_is_not_ours_to_launch_is_waited_for(
    world: World, one: Machines, by_hand: Start, begins: str
) -> None:
    wait, let_go = world.gate()
    world.write_script(wait)
    world.configure(script={"launch": False})
    world.start()
    if begins == "before the request":
        by_hand()
        world.wait(world.runs, "the back end's run")
    world.touch()
    if begins == "while nodes are polled":
        world.wait_for_node(1, lambda node: node.state == "up")
    if begins != "before the request":
        by_hand()
    script = world.wait(lambda: (part := script_of(world)) and part.pid and part, "it in the report")
    assert script.adopted
    world.wait_for_node(1, lambda node: node.state == "up")
    ended_s = time.time()
    let_go()
    report = world.answer()
    assert report.outcome == "completed"
    assert report.script is not None
    assert report.script.state == "exited"
    assert (world.markers / "deployment_completed").stat().st_mtime >= ended_s
    assert world.runs() == ["by-hand"]


# --- what the script does to what is known of it


@pytest.mark.parametrize("how", ["removed", "replaced"])
@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("code", [0, 7])
def test_a_started_that_the_script_takes_away_changes_no_verdict(
    world: World, one: Machines, how: str, *, restarted: bool, code: int
) -> None:
    wait, let_go = world.gate()
    started = '"$PINAKAD_NODES_DIR/../started"'
    take = f"rm {started}" if how == "removed" else f"rm {started}; echo '[]' > {started}"
    world.write_script(f"{wait}\n{take}\ntouch {world.root}/taken\n{wait}\nexit {code}")
    world.start()
    world.touch()
    world.wait(world.runs, "the run")
    world.wait(lambda: world.report().phase == "polling", "the polling")
    let_go()
    world.wait((world.root / "taken").exists, "what is taken away")
    world.wait_for_node(1, lambda node: node.state == "up")
    if restarted:
        world.kill()
        world.start()
    let_go()
    report = world.answer()
    assert (report.outcome, report.reason) == (("failed", "script_failed") if code else ("completed", None))
    assert report.script is not None
    assert (report.script.state, report.script.exit_code) == ("exited", code)
    assert world.runs() == [report.id]


def test_a_cancelled_run_whose_started_is_gone_is_ended_all_the_same(world: World, one: Machines) -> None:
    world.write_script(f'rm "$PINAKAD_NODES_DIR/../started"; touch {world.root}/taken; exec sleep {MARK}2')
    world.start()
    world.touch()
    world.wait((world.root / "taken").exists, "what is taken away")
    world.cancel()
    assert world.answer().outcome == "cancelled"
    assert mentioning(f"sleep\0{MARK}2") == []


def test_a_supervisor_that_is_stopped_does_not_hold_up_the_verdict(world: World, one: Machines) -> None:
    wait, let_go = world.gate()
    world.write_script(f"{wait}\nexit 7")
    world.start()
    world.touch()
    world.wait(world.runs, "the run")
    started = world.wait(lambda: (world.folder() / "started").exists() and world.folder() / "started", "the start")
    supervisor = json.loads(started.read_text())["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    let_go()
    report = world.answer()
    assert (report.reason, report.script.exit_code if report.script else None) == ("script_failed", 7)


def test_a_run_that_is_cancelled_while_its_supervisor_is_stopped_says_how_the_script_ended(
    world: World, one: Machines
) -> None:
    wait, _ = world.gate()
    world.write_script(wait)
    world.start()
    world.touch()
    world.wait(world.runs, "the run")
    supervisor = json.loads((world.folder() / "started").read_text())["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    world.cancel()
    report = world.answer()
    assert report.outcome == "cancelled"
    assert report.script is not None
    assert (report.script.state, report.script.signal) == ("exited", signal.SIGTERM)


# --- nothing is left


def test_a_cancelled_run_leaves_nothing_behind_not_even_what_hides(world: World, one: Machines) -> None:
    """Also where the cancel comes after the script's exit: daemons of its own, in clean environments and sessions."""
    hidden = f"env -i setsid bash -c '(sleep {MARK}73 & sleep {MARK}74 &)' & "
    world.write_script(f"{hidden} sleep {MARK}75 & disown -a; exit 0")
    one[1].stop()
    world.start()
    world.touch()
    world.wait(lambda: (part := script_of(world)) and part.state == "exited", "the exit")
    world.wait(lambda: len(mentioning(f"sleep\0{MARK}7")) == 3, "what it left")
    world.cancel()
    assert world.answer().outcome == "cancelled"
    assert mentioning(f"sleep\0{MARK}7") == []


def test_what_hides_is_found_after_a_restart_of_the_daemon(world: World, one: Machines) -> None:
    world.write_script(f"env -i setsid bash -c '(sleep {MARK}81 &)' & sleep {MARK}82")
    world.start()
    world.touch()
    world.wait(lambda: len(mentioning(f"sleep\0{MARK}8")) == 2, "what it started")
    world.kill()
    world.start()
    world.cancel()
    report = world.answer()
    assert report.outcome == "cancelled"
    assert mentioning(f"sleep\0{MARK}8") == [], (report.script, world.log_text())


def test_cancelled_runs_leave_no_zombies(world: World, one: Machines) -> None:
    world.write_script(f"(sleep {MARK}83 &); sleep {MARK}84")
    world.start()
    assert world.daemon is not None
    most = 0
    for number in range(24):
        world.touch()
        world.wait(lambda n=number: len(world.runs()) == n + 1, "the run")
        world.cancel()
        assert world.answer().outcome == "cancelled"
        world.wait_idle()
        most = max(most, zombies_of(world.daemon.pid))
    assert most <= 1  # the supervisor may just be about to end
    world.wait(lambda: zombies_of(world.daemon.pid if world.daemon else 0) == 0, "no zombie")


def zombies_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return sum(state_of(int(child)) == "Z" for child in children)


# --- what is reported is what runs


@pytest.mark.parametrize("changed", ["edited", "replaced", "removed"])
def test_a_script_that_is_changed_between_check_and_launch_is_not_run(
    world: World, one: Machines, changed: str
) -> None:
    """The baseline waits for a silent node: so long the script can be changed."""
    silent = Fakes()
    silent.serve(world.address(2), one.port, says(b""))
    world.add_node(2)
    world.start()
    world.touch()
    world.wait(lambda: world.deployments() and (world.folder() / "nodes").exists(), "the snapshot")
    text = world.script.read_text(encoding="utf-8")
    if changed == "edited":
        with world.script.open("a", encoding="utf-8") as file:
            file.write("echo edited\n")
    else:
        world.script.unlink()
    if changed == "replaced":
        world.script.write_text(text + "echo other\n", encoding="utf-8")
    report = world.answer()
    silent.close()
    assert (report.outcome, report.reason) == ("failed", "script_not_runnable"), report.message
    assert world.runs() == []


@pytest.mark.parametrize("restarted", [False, True])
def test_a_script_that_is_edited_while_it_runs_is_told(world: World, one: Machines, *, restarted: bool) -> None:
    """The shell reads on in the edited file: what ran is not what was hashed."""
    wait, let_go = world.gate()
    world.write_script(wait)
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and world.report().phase == "polling", "polling")
    with world.script.open("a", encoding="utf-8") as file:
        file.write("exit 9\n")
    if restarted:
        world.kill()
        world.start()
    let_go()
    report = world.answer()
    assert report.script is not None
    assert report.script.exit_code == 9
    assert codes(report).count("script_changed") == 1


def test_a_path_that_is_configured_anew_during_a_run_does_not_change_what_runs(world: World, one: Machines) -> None:
    """The report of a run that was about to launch names the script; another daemon, configured anew, runs that one."""
    world.program = [str(PROGRAMS / "crashing_pinakad.py")]
    other = world.root / "other.sh"
    other.write_text(f"touch {world.root}/other-ran\n", encoding="utf-8")
    world.start(CRASH_AT="begins: supervisor started")
    world.touch()
    world.wait(lambda: world.daemon_code() is not None, "the crash before the launch")
    world.program = ["-m", "pinakad"]
    world.configure(paths={"script": other})
    world.start()
    report = world.answer()
    assert report.outcome == "completed"
    assert report.script is not None
    assert report.script.path == str(world.script)
    assert world.runs() == [report.id]
    assert not (world.root / "other-ran").exists()


# --- leftovers


def test_what_an_earlier_run_left_is_not_called_somebody_elses(world: World, one: Machines) -> None:
    world.configure(script={"foreign": "refuse"})
    world.write_script('if [ ! -e "$PINAKAD_WORK_DIR/left" ]; then touch "$PINAKAD_WORK_DIR/left"; (sleep 8; :) & fi')
    world.start()
    assert world.serve().outcome == "completed"
    report = world.serve()
    assert report.outcome == "completed", report.message
    assert codes(report).count("script_left_running") == 1
    assert report.script is not None
    assert not report.script.adopted
