"""Does everybody who waits learn the verdict of what they meant, by words and by the exit code?"""

import re
import signal
import time

import pytest
from machines import Machines
from pinakactl import Operator, ended
from world import World

from pinakad.cli.program import COMMANDS


@pytest.fixture
def deployment(world: World, machines: Machines) -> World:
    """Give a world with one node that is up; its script waits for nothing."""
    machines.add(1)
    world.add_node(1)
    return world


def phases(err: str) -> list[str]:
    return [line.split(":")[0] for line in err.splitlines()]


# --- each exit code


def test_a_deployment_that_completes_is_0(deployment: World, operator: Operator) -> None:
    deployment.start()
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.touch()
    waiting = operator.begin("wait")
    deployment.wait_for_node(1, lambda node: node.state == "up")
    go_on()
    code, out, err = ended(waiting)
    report = deployment.report()
    assert code == 0
    assert re.fullmatch(rf"completed: 1 of 1 nodes up, \d+ s, deployment {report.id}\n.*\n", out)
    assert "polling" in phases(err)


def test_one_that_fails_is_1_and_its_reason_is_told(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.configure(poll={"attempts": 2}, ssh={"connect_timeout_s": 0.1})
    world.start()
    world.write_script("exit 7")
    world.touch()
    done = operator.call("wait", "--quiet")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("failed (script_failed): ")


def test_one_that_is_cancelled_is_3(deployment: World, operator: Operator) -> None:
    deployment.write_script(deployment.gate()[0])
    deployment.start()
    deployment.touch()
    waiting = operator.begin("wait")
    done = operator.call("cancel")
    assert (done.returncode, ended(waiting)[0]) == (3, 3)
    assert "cancelled: " in done.stdout


def test_one_that_is_not_over_in_time_is_4_and_runs_on(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.start()
    deployment.touch()
    done = operator.call("wait", "--timeout", "0.5s")
    assert done.returncode == 4
    assert "is not over after 0 s; " in done.stderr
    go_on()
    assert deployment.answer().outcome == "completed"


def test_where_there_is_neither_deployment_nor_request_it_is_5(world: World, operator: Operator) -> None:
    world.start()
    commands = (["wait"], ["cancel"], ["retry"], ["status", "--exit-code"])
    for command, process in [(command, operator.begin(*command)) for command in commands]:
        code, _, err = ended(process)
        assert code == 5, command
        assert command[0] == "status" or len(err.splitlines()) == 1


def test_a_request_that_is_taken_back_before_it_is_served_is_5(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.start()
    deployment.touch()
    deployment.wait(deployment.runs, "a run")
    deployment.rename_in("{}")
    waiting = operator.begin("wait")
    assert waiting.stderr is not None
    assert waiting.stderr.readline() == "waiting until the request is taken\n"
    (deployment.markers / "deployment_in_progress").unlink()
    code, out, err = ended(waiting)
    assert (code, out) == (5, "")
    assert "the request was removed before it was served" in err
    go_on()


def test_without_a_daemon_it_is_6_after_ten_seconds_of_grace(world: World, operator: Operator) -> None:
    world.add_node(1)
    world.touch()
    began_s = time.monotonic()
    waiting = [operator.begin(*words) for words in (["wait"], ["cancel"], ["retry"])]
    applying = operator.begin("apply", operator.draft("n.json", operator.node(2)), "--wait")
    found = [ended(process) for process in (*waiting, applying)]
    assert [code for code, _, _ in found] == [6, 6, 5, 6]
    assert time.monotonic() - began_s > 10
    assert all("systemctl start pinakad" in found[place][2] for place in (0, 3))
    assert operator.call("status", "--exit-code").returncode == 5  # it has never served anything


@pytest.mark.parametrize("words", [["wait", "--timeout", "soon"], ["wait", "9"], ["wait", "--nonsense"], ["apply"]])
def test_wrong_use_is_2(world: World, operator: Operator, words: list[str]) -> None:
    if words[1:] == ["9"]:
        world.write_script("exit 1")
        world.add_node(1)
        world.start()
        world.serve()
    done = operator.call(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["wait", "apply", "cancel", "retry", "status"])
def test_the_help_of_whatever_tells_a_verdict_says_what_each_exit_code_means(operator: Operator, name: str) -> None:
    assert name in COMMANDS
    shown = operator.call(name, "--help").stdout
    assert re.findall(r"^    (\d+)  \S", shown, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "6", "130"]


def test_ctrl_c_while_waiting_is_130_without_a_word(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.start()
    deployment.touch()
    deployment.wait(deployment.runs, "a run")
    waiting = operator.begin("wait")
    assert waiting.stderr is not None
    told = waiting.stderr.readline()
    waiting.send_signal(signal.SIGINT)
    code, out, err = ended(waiting)
    assert (code, out) == (130, "")
    assert "Traceback" not in told + err
    go_on()


# --- which deployment is meant


def test_where_nothing_runs_the_latest_verdict_is_told_at_once(deployment: World, operator: Operator) -> None:
    deployment.start()
    deployment.serve()
    deployment.write_script("exit 3")
    deployment.serve()
    assert operator.call("wait").returncode == 1
    assert operator.call("wait", "1").returncode == 0
    deployment.stop()
    assert operator.call("wait").returncode == 1
    assert operator.call("status", "--exit-code").returncode == 1
    assert operator.call("status").returncode == 0


def test_a_request_behind_the_running_one_is_waited_for(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(f"[ -e {deployment.root}/second ] && exit 3; touch {deployment.root}/second\n{line}")
    deployment.start()
    deployment.touch()
    deployment.wait(deployment.runs, "a run")
    deployment.rename_in("")
    waiting = operator.begin("wait")
    assert operator.call("status", "--exit-code").returncode == 4
    go_on()
    code, out, _ = ended(waiting)
    assert code == 1
    assert deployment.deployments()[1] in out


def test_it_goes_on_over_a_kill_and_a_restart_of_the_daemon(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.start()
    deployment.touch()
    deployment.wait(deployment.runs, "a run")
    waiting = operator.begin("wait")
    deployment.wait_for_node(1, lambda node: node.state == "up")
    deployment.kill()
    go_on()
    deployment.start()
    code, out, _ = ended(waiting)
    assert (code, len(deployment.runs())) == (0, 1)
    assert out.startswith("completed: ")


def test_whoever_was_told_the_verdict_finds_the_answer_there_and_the_request_gone(
    deployment: World, operator: Operator
) -> None:
    deployment.start()
    deployment.touch()
    assert operator.call("wait").returncode == 0
    assert (deployment.markers / "deployment_completed").exists()
    assert not deployment.requested()


def test_waiting_costs_next_to_nothing(deployment: World, operator: Operator) -> None:
    line, go_on = deployment.gate()
    deployment.write_script(line)
    deployment.start()
    deployment.touch()
    waiting = operator.begin("wait", "--timeout", "6s")
    assert waiting.stderr is not None
    assert waiting.stderr.readline()
    before_s = cpu_s(waiting.pid)
    time.sleep(2)  # the span that is measured
    spent_s = cpu_s(waiting.pid) - before_s
    go_on()
    assert ended(waiting)[0] == 0
    assert spent_s < 0.2


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process (proc(5), stat: utime and stime)."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - one line of proc
        utime, stime = stat.read().rpartition(")")[2].split()[11:13]
    return (int(utime) + int(stime)) / 100
