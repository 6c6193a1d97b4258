"""What a local user of the host can do to a deployment, who may write nothing and only runs programs: nothing."""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from processes import descendants

from pinakad.script import running_scripts
from pinakad.script.processes import NODES_VARIABLE
from pinakad.script.still_running import still_running

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be several users")

STRANGER, DAEMON = 65533, 4712
_SU = "/usr/bin/su"
_SEES = """
import os, sys, encodings.utf_8_sig
from pinakad.script import running_scripts
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
print([pid for pid, _ in running_scripts.foreign_runs(sys.argv[2], "/var/lib/pinakad/deployments")])
"""


@pytest.fixture
def script() -> Iterator[Path]:
    """Give a script in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "deployment_service.sh"
        path.write_text("read -r _\n")
        path.chmod(0o755)
        yield path


def seen_by(user: int, script: Path) -> list[int]:
    """Return the pids that run the script, as a process of that user sees it."""
    words = [sys.executable, "-c", _SEES, str(user), str(script)]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd="/").stdout
    return [int(word) for word in said.strip().strip("[]").split(",") if word]


@contextmanager
def running(words: list[str], program: str, user: int) -> Iterator[int]:
    """Let a user run a program under a name of his choice, that cannot say what it wants to say, and so lives on."""
    inlet, outlet = os.pipe()
    fcntl.fcntl(outlet, fcntl.F_SETPIPE_SZ, 4096)
    os.write(outlet, b"x" * 4096)
    process = subprocess.Popen(
        words, executable=program, user=user, group=user, extra_groups=[], stdin=subprocess.PIPE, stderr=outlet, cwd="/"
    )
    try:
        ends_s = time.monotonic() + 10
        while running_scripts.words_of_process(process.pid) != words:
            assert time.monotonic() < ends_s, "it does not run"
        yield process.pid
    finally:
        process.kill()
        process.communicate()
        os.close(inlet)
        os.close(outlet)


@pytest.mark.parametrize("daemon", [DAEMON, 0])
@pytest.mark.parametrize("name", ["bash", "sh", "-dash", "busybox"])
def test_a_program_that_lends_the_rights_of_root_is_no_run_of_the_script(script: Path, name: str, daemon: int) -> None:
    with running([name, str(script)], _SU, STRANGER) as pid:
        assert Path(f"/proc/{pid}").stat().st_uid == 0
        assert seen_by(daemon, script) == []


@pytest.mark.parametrize("daemon", [DAEMON, 0])
@pytest.mark.parametrize("program", ["/usr/bin/tail", "/usr/bin/sleep"])
def test_one_that_is_root_through_and_through_is_none_either_unless_it_is_the_shell(
    script: Path, program: str, daemon: int
) -> None:
    """As sudo(8) is while it asks for a password."""
    with running(["bash", "-f", str(script)], program, 0):
        assert seen_by(daemon, script) == []


@pytest.mark.parametrize("daemon", [DAEMON, 0])
@pytest.mark.parametrize("program", ["/bin/bash", "/bin/dash"])
def test_a_run_of_roots_is_seen_by_a_daemon_that_has_no_rights(script: Path, program: str, daemon: int) -> None:
    with running([Path(program).name, str(script)], program, 0) as pid:
        assert seen_by(daemon, script) == [pid]


@contextmanager
def running_there(words: list[str], folder: Path) -> Iterator[int]:
    """Let root run a shell in a folder until it is over; give its number."""
    process = subprocess.Popen(words, stdin=subprocess.PIPE, cwd=folder, text=True)
    shell = 0
    try:
        ends_s = time.monotonic() + 10
        while not shell:
            assert time.monotonic() < ends_s, "it does not run"
            shell = next(
                (pid for pid in descendants(process.pid) if running_scripts.words_of_process(pid)[:1] == ["bash"]), 0
            )
        yield shell
    finally:
        process.communicate("over\n")


@pytest.mark.parametrize(
    ("container", "is_seen"), [([], True), (["unshare", "--pid", "--fork", "--kill-child"], False)]
)
def test_a_name_alone_says_nothing_of_a_run_in_a_container_whose_folder_cannot_be_seen(
    script: Path, container: list[str], is_seen: bool
) -> None:
    script = script.rename(script.with_name(f"{script.parent.name}.sh"))  # its name is all that others would see
    with running_there([*container, "bash", script.name], script.parent) as pid:
        assert seen_by(DAEMON, script) == ([pid] if is_seen else [])
        assert seen_by(0, script) == [pid], "whoever may see the folder knows"


def test_the_whole_path_says_enough_also_of_a_run_in_a_container(script: Path) -> None:
    with running_there(["unshare", "--pid", "--fork", "--kill-child", "bash", str(script)], script.parent) as pid:
        assert seen_by(DAEMON, script) == [pid]


def test_a_run_of_a_strangers_is_none(script: Path) -> None:
    with running(["bash", str(script)], "/bin/bash", STRANGER):
        assert seen_by(DAEMON, script) == []


def test_a_stranger_cannot_say_that_a_deployment_still_runs(tmp_path: Path) -> None:
    def carried_by(user: int) -> dict[str, float]:
        mark = {NODES_VARIABLE: f"{tmp_path}/20261124T000000Z.0001/nodes"}
        process = subprocess.Popen(["sleep", "60626"], env=mark, user=user, group=user, extra_groups=[])
        ends_s = time.monotonic() + 10
        while running_scripts.words_of_process(process.pid) != ["sleep", "60626"]:
            assert time.monotonic() < ends_s, "it does not run"
        try:
            return still_running(tmp_path)
        finally:
            process.kill()
            process.wait()

    assert list(carried_by(0)) == ["20261124T000000Z.0001"]
    assert carried_by(STRANGER) == {}


def test_how_much_a_stranger_says_on_his_command_lines_is_not_read(script: Path) -> None:
    """A look at all processes is taken ten times a second while a script is about to be launched."""
    words = ["bash", str(script), *("x" * 131_000 for _ in range(12))]

    def bytes_read() -> int:
        return int(Path("/proc/self/io").read_text(encoding="ascii").split()[1])  # proc(5): rchar

    with ExitStack() as strangers:
        for _ in range(20):
            strangers.enter_context(running(words, "/bin/bash", STRANGER))
        before = bytes_read()
        assert running_scripts.foreign_runs(str(script), "/nowhere") == []
        assert bytes_read() - before < 10 << 20
