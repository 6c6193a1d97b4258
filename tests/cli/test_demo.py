import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pinakactl import PROGRAM, environment

from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome

LIMIT_S = 20.0
DEADLINE_S = 60.0
NODES = [f"demo-0{number}" for number in range(1, 6)]
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")


@contextmanager
def demo(folder: Path, *options: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Give a demo in a pipe, in a process group of its own; whatever the test finds, it is gone afterwards."""
    with subprocess.Popen(
        [*PROGRAM, "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(folder),
        cwd=folder,
        process_group=0,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def nothing_is_left(folder: Path) -> bool:
    """Tell whether no file of the demo is there, and no process that works with one."""
    needle = str(folder).encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.name != str(os.getpid()) and needle in (process / "cmdline").read_bytes():
                return False
        except OSError:
            continue
    return list(folder.glob("pinakad-demo-*")) == []


def lines_until(process: "subprocess.Popen[bytes]", text: bytes) -> list[bytes]:
    """Read what the demo says up to the line with this text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"it never said {text!r}, but {lines}")


def test_in_a_pipe_the_main_job_is_told_in_plain_lines_with_the_answer_at_the_end(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with demo(tmp_path, "--keep") as process:
        out, err = (raw.decode() for raw in process.communicate(timeout=DEADLINE_S))
    assert time.monotonic() - began_s < LIMIT_S
    assert (process.returncode, err) == (0, "")
    assert "\x1b" not in out
    assert "completed: all 5 nodes are up\n" in out
    rows = {line.split()[0]: line.split() for line in out.partition("completed:")[2].splitlines() if "127.0.1." in line}
    assert list(rows) == NODES
    assert all(row[5:9] == ["yes,", "new", "boot", "id"] for row in rows.values())
    assert {name: row[9] for name, row in rows.items()} == dict.fromkeys(NODES, "new") | {"demo-03": "changed"}
    assert float(rows["demo-05"][3]) - 2 > max(float(row[3]) for name, row in rows.items() if name != "demo-05")
    [folder] = tmp_path.glob("pinakad-demo-*")
    answer = folder / "work_dir/.markers/deplyment_status/deployment_completed"
    report = Report.model_validate_json(answer.read_bytes())
    assert (report.outcome, [node.rebooted for node in report.nodes]) == (Outcome.COMPLETED, [True] * 5)
    for told in ("answer", "report", "script's output", "daemon's log"):
        [path] = [line.split(maxsplit=told.count(" ") + 1)[-1] for line in out.splitlines() if line.startswith(told)]
        assert (folder / path).is_file()
    assert (folder / report_log(report)).read_text(encoding="utf-8").splitlines() == [f"{name}: ok" for name in NODES]


def report_log(report: Report) -> str:
    assert report.script is not None
    assert report.script.log is not None
    return report.script.log


def test_on_a_terminal_the_nodes_are_shown_live_without_colours_where_nobody_wants_them(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    variables = environment(tmp_path, TERM="xterm-256color", COLUMNS="80", LINES="24", NO_COLOR="1")
    with subprocess.Popen([*PROGRAM, "demo"], stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(ours), b"")).decode()
        assert process.wait(DEADLINE_S) == 0
    os.close(ours)
    assert not re.search(r"\x1b\[[0-9;]*[34][0-7]m", shown)
    text = _ESCAPES.sub("", shown)
    assert "up, but a live installer" in text
    assert "polling: " in text
    assert all(len(line) <= 80 for line in text.replace("\r", "\n").splitlines())
    assert "completed: all 5 nodes are up" in text.rpartition("the answer is there")[2]
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "the cursor is back"
    assert nothing_is_left(tmp_path)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says EIO where the other end is closed
        return b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", ["nodes answer SSH", "the daemon is ready", "pinakad: waiting", "is down"])
def test_a_demo_that_is_stopped_leaves_nothing_behind(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        lines_until(process, moment.encode())
        process.send_signal(number)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 128 + number
    assert err.decode() == f"pinakactl: the demo was stopped by {number.name}\n"
    assert nothing_is_left(tmp_path)


def test_ctrl_c_in_a_terminal_reaches_the_daemon_too_and_still_nothing_is_left(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        lines_until(process, b"pinakad: polling")
        for _ in range(3):  # an impatient person
            os.killpg(process.pid, signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
        process.communicate(timeout=DEADLINE_S)
    assert nothing_is_left(tmp_path)


def test_a_daemon_that_dies_is_told_and_the_demo_ends(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        [line] = [line for line in lines_until(process, b"is ready, pid") if b"is ready" in line]
        os.kill(int(line.split()[-1]), signal.SIGKILL)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 1
    assert err.decode().startswith("pinakactl: the daemon ended with status -9:\n")
    assert "Traceback" not in err.decode()
    assert nothing_is_left(tmp_path)


def test_a_reader_that_goes_away_ends_the_demo_and_nothing_is_left(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        lines_until(process, b"the daemon is ready")
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(DEADLINE_S) == 1
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert nothing_is_left(tmp_path)
