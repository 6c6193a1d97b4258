"""Does `status --watch` show how it goes on, wherever it is shown, and however many nodes there are?"""

import re
import signal
import threading
import time
from collections.abc import Callable

import pytest
from machines import Machines
from pinakactl import Operator, ended, on_a_terminal
from report_example import finished_report
from world import World

from pinakad.linux.locks import lock
from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.document import DaemonPart, Status
from pinakad.report.node import counts_of
from pinakad.report.vocabulary import Phase
from pinakad.state.store import Store
from pinakad.times import rfc3339

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


@pytest.fixture
def two(world: World, machines: Machines) -> World:
    """Give a world whose second node comes up late: when the script says so."""
    machines.add(1)
    machines.add(2, up=False)
    world.add_node(1)
    world.add_node(2)
    world.start()
    return world


# --- a real deployment


def deploy(two: World, machines: Machines, *, seconds: int) -> None:
    """Have a deployment that runs; the second node comes up after so long."""
    two.write_script(f"sleep {seconds}\n{machines.on_call(lambda _: machines[2].start())('start 2')}")
    two.touch()
    two.wait(two.runs, "a run")


def test_in_a_pipe_each_change_is_a_line_and_it_ends_with_the_verdict(
    two: World, machines: Machines, operator: Operator
) -> None:
    deploy(two, machines, seconds=1)
    watching = operator.begin("status", "--watch", "--exit-code")
    code, out, err = ended(watching)
    told = [line[10:] for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d  .+", line) for line in out.splitlines())
    assert "sqdn-001 up" in told
    assert "sqdn-002 up" in told
    assert told[-1] == f"{two.deployments()[0]}: completed: all 2 nodes are up"
    assert len(told) == len(set(told))
    assert "\x1b" not in out


def test_on_a_terminal_one_screen_is_drawn_anew_and_stays_at_the_end(
    two: World, machines: Machines, operator: Operator
) -> None:
    deploy(two, machines, seconds=2)
    shown = on_a_terminal(two, "status", "--watch", "--exit-code", COLUMNS="100", LINES="30", FORCE_COLOR="1")
    text = _ESCAPES.sub("", shown)
    assert "polling: 1 of 2 nodes up" in text
    assert re.search(r"^sqdn-002 +127\S+ .*refused", text.replace("\r", "\n"), re.MULTILINE)
    assert "nodes       2: 2 up, 0 waiting, 0 failed" in text[text.rindex("daemon  ") :]
    assert _COLOUR.search(shown)
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"


def test_it_goes_on_over_a_restart_of_the_daemon_until_ctrl_c(two: World, operator: Operator) -> None:
    two.write_script("exit 3")
    watching = operator.begin("status", "--watch")
    assert watching.stdout is not None
    assert "no deployment yet" in watching.stdout.readline()
    two.serve()
    assert until(watching.stdout.readline, "failed").endswith(": the script ended with status 3\n")
    two.kill()
    assert until(watching.stdout.readline, "daemon").endswith("the daemon is not running\n")
    two.start()
    assert until(watching.stdout.readline, "daemon").endswith("the daemon is running\n")
    watching.send_signal(signal.SIGINT)
    code, _, err = ended(watching)
    assert (code, err.strip()) == (130, "")


def until(read: Callable[[], str], word: str) -> str:
    """Read lines until one has the word."""
    while word not in (line := read()):
        assert line, f"no '{word}'"
    return line


def test_what_does_not_fit_together_is_wrong_use(operator: Operator) -> None:
    done = operator.call("status", "--watch", "--json")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


# --- ten thousand nodes


class Crowd:
    """What a daemon with very many nodes tells its readers."""

    def __init__(self, world: World, number: int) -> None:
        self._world = world
        lock(Store(world.state).lock_file)
        example = finished_report()
        self._nodes = [
            example.nodes[0].model_copy(
                update={"file": f"node_{n}.json", "hostname": f"compute-{n:05d}", "address": f"10.0.{n >> 8}.{n & 255}"}
            )
            for n in range(1, number + 1)
        ]

    def tell(self, up: int, *, finished: bool = False) -> None:
        """Write a status in which so many nodes are up."""
        down = {"state": NodeState.WAITING, "reason": NodeReason.REFUSED, "message": "connection refused"}
        nodes = [node if n < up else node.model_copy(update=down) for n, node in enumerate(self._nodes)]
        phase = {} if finished else {"phase": Phase.POLLING, "outcome": None, "finished_at": None}
        report = finished_report().model_copy(update={"nodes": nodes, "counts": counts_of(nodes)} | phase)
        part = DaemonPart(pid=1, version="1", started_at=rfc3339(time.time()), watch="events", queued=False)
        draft = self._world.runtime / "draft"
        draft.write_bytes(Status(daemon=part, deployment=report).model_dump_json(by_alias=True).encode())
        draft.rename(self._world.runtime / "status.json")


@pytest.fixture
def crowd(world: World) -> Crowd:
    return Crowd(world, 10_000)


def test_ten_thousand_nodes_do_not_flood_a_pipe(crowd: Crowd, operator: Operator) -> None:
    crowd.tell(up=10)
    watching = operator.begin("status", "--watch", "--exit-code")
    assert watching.stdout is not None
    assert until(watching.stdout.readline, " 0 failed").endswith("  10 of 10000 nodes up, 9990 waiting, 0 failed\n")
    crowd.tell(up=5010)
    assert until(watching.stdout.readline, "up").endswith("  5000 nodes up\n")
    crowd.tell(up=10_000, finished=True)
    code, out, _ = ended(watching)
    assert code == 0
    assert len(out.splitlines()) <= 4
    assert out.endswith(": completed: all 2 nodes are up\n"), "as the example says"


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (40, 12)])
def test_ten_thousand_nodes_fill_one_screen_and_no_more(world: World, crowd: Crowd, columns: int, lines: int) -> None:
    crowd.tell(up=10)
    end = threading.Timer(2.5, crowd.tell, kwargs={"up": 10_000, "finished": True})
    end.start()
    size = {"COLUMNS": str(columns), "LINES": str(lines)}
    shown = on_a_terminal(world, "status", "--watch", "--exit-code", NO_COLOR="1", **size)
    end.join()
    assert not _COLOUR.search(shown)
    frames = [_ESCAPES.sub("", frame) for frame in shown.split("daemon      ")[1:]]
    assert len(frames) > 1
    for frame in frames[:-1]:  # the last one stays, whole
        assert len(frame.splitlines()) <= lines
        assert all(len(line) <= columns for line in frame.replace("\r", "\n").splitlines())
    assert "compute-" in frames[0]
    assert "10000: 10000 up" in " ".join(frames[-1].split())


def test_all_nodes_are_told_where_all_are_asked_for(crowd: Crowd, operator: Operator) -> None:
    crowd.tell(up=9_999)
    out = operator.call("status", "--nodes").stdout
    assert out.count("\ncompute-") == 10_000
    assert out.endswith("\n10000 nodes\n")
