"""Who runs a script? By what a shell was given, by where it keeps its script open, and by whose run it is."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pinakad.script.running_scripts import (
    _base,
    _first_argument,
    _pages_of_code,
    foreign_runs,
    own_runs,
    start_ticks,
    user_ids,
    words_of_process,
)

COMMAND, NONE = "-c", ""
NO_PID = 1 << 30


@pytest.mark.parametrize(
    ("words", "argument"),
    [
        ("bash", NONE),
        ("bash x.sh", "x.sh"),
        ("bash x.sh y.sh", "x.sh"),
        ("bash x.sh -c", "x.sh"),
        ("bash -x x.sh", "x.sh"),
        ("bash -ex x.sh", "x.sh"),
        ("bash +x x.sh", "x.sh"),
        ("bash -- x.sh", "x.sh"),
        ("bash - x.sh", "x.sh"),
        ("bash -- -x.sh", "-x.sh"),
        ("bash --", NONE),
        ("bash -", NONE),
        ("bash -e", NONE),
        ("bash -c x.sh", COMMAND),
        ("bash -ec x.sh", COMMAND),
        ("bash -ce x.sh", COMMAND),
        ("bash -x -c x.sh", COMMAND),
        ("bash -s x.sh", NONE),
        ("bash -es x.sh", NONE),
        ("bash -sc x.sh", COMMAND),
        ("bash -o pipefail x.sh", "x.sh"),
        ("bash -eo pipefail x.sh", "x.sh"),
        ("bash +o pipefail x.sh", "x.sh"),
        ("bash -O extglob x.sh", "x.sh"),
        ("bash +O extglob x.sh", "x.sh"),
        ("bash -o", NONE),
        ("bash --rcfile f x.sh", "x.sh"),
        ("bash --init-file f x.sh", "x.sh"),
        ("bash --norc x.sh", "x.sh"),
        ("bash --posix x.sh", "x.sh"),
        ("bash --noprofile -o pipefail -- x.sh", "x.sh"),
        ("sh /srv/x.sh", "/srv/x.sh"),
    ],
)
def test_what_a_shell_runs_is_its_first_word_that_is_no_option(words: str, argument: str) -> None:
    assert _first_argument(words.split()) == argument


@pytest.mark.parametrize(
    ("path", "name"),
    [("/bin/bash", "bash"), ("bash", "bash"), ("-bash", "bash"), ("/usr/bin/-sh", "sh"), ("", ""), ("/", "")],
)
def test_the_name_of_a_program_is_the_end_of_its_path_also_of_a_login_shell(path: str, name: str) -> None:
    assert _base(path) == name


# --- a process as proc(5) shows it


def test_a_process_has_its_start_its_users_and_its_words() -> None:
    pid = os.getpid()
    assert start_ticks(pid) == start_ticks(pid) != 0
    assert user_ids(pid) == set(os.getresuid())
    assert words_of_process(pid)[0] in (sys.executable, *sys.orig_argv)


def test_no_process_has_no_start_and_no_words_and_is_nobodys() -> None:
    assert start_ticks(NO_PID) is None
    assert words_of_process(NO_PID) == []
    assert user_ids(NO_PID) == {65534}


def test_a_zombie_has_no_words() -> None:
    process = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert words_of_process(process.pid) == []
    process.wait()


@pytest.mark.parametrize("program", ["bash", "dash"])
def test_the_code_of_a_program_is_as_large_as_the_kernel_counts_it(program: str) -> None:
    with subprocess.Popen([f"/bin/{program}", "-c", "echo; read -r _"], stdin=-1, stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.readline()
        counted = int(Path(f"/proc/{process.pid}/statm").read_text().split()[3])
        process.communicate(b"\n")
    assert _pages_of_code(f"/bin/{program}") == counted


@pytest.mark.parametrize("content", [b"", b"#!/bin/bash\n", b"\x7fELF", b"\x7fELF" + bytes(4092), None])
def test_what_is_no_program_has_no_code(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert _pages_of_code(str(tmp_path / "x")) == -1


# --- runs of real shells


class Site:
    """A script that waits on its stdin or a FIFO, the folder of our deployments, and shells that were started."""

    def __init__(self, root: Path) -> None:
        self.script, self.deployments = root / "x.sh", root / "deployments"
        self.script.write_text("read -r _ < fifo\n")
        os.mkfifo(root / "fifo")
        self._root = root
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *words: str, stdin: Path | None = None, **environment: str) -> int:
        """Start a process in the script's folder; return its pid, once it has become that program."""
        source = stdin.open("rb") if stdin else subprocess.PIPE
        process = subprocess.Popen(words, cwd=self._root, stdin=source, env={"PATH": os.environ["PATH"], **environment})
        if not isinstance(source, int):
            source.close()
        self._started.append(process)
        return process.pid

    def foreign(self) -> list[int]:
        return [pid for pid, _ in foreign_runs(str(self.script), str(self.deployments))]

    def own(self) -> list[int]:
        return [pid for pid, _ in own_runs(str(self.script), str(self.deployments))]

    def close(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


def until_found(find: Callable[[], list[int]], wanted: list[int]) -> None:
    """Wait until that is what is found: a shell takes a moment to open its script."""
    ends_s = time.monotonic() + 10
    while (found := find()) != wanted:
        assert time.monotonic() < ends_s, (found, wanted)
        time.sleep(0.01)


@pytest.mark.parametrize(
    "words",
    [
        "bash {path}",
        "bash x.sh",
        "bash ./x.sh",
        "bash -e -o pipefail x.sh",
        "bash link.sh",
        "sh x.sh",
        "dash {path}",
    ],
)
def test_a_shell_that_was_given_the_script_runs_it_by_whatever_name(site: Site, tmp_path: Path, words: str) -> None:
    (tmp_path / "link.sh").symlink_to(site.script)
    pid = site.start(*words.format(path=site.script).split())
    until_found(site.foreign, [pid])
    assert site.own() == []


@pytest.mark.parametrize("shell", ["bash", "dash"])
def test_a_shell_that_reads_the_script_from_its_stdin_runs_it(site: Site, shell: str) -> None:
    pid = site.start(shell, "-s", stdin=site.script)
    until_found(site.foreign, [pid])


def test_a_script_that_is_found_through_a_link_is_the_file_that_it_leads_to(site: Site, tmp_path: Path) -> None:
    link = tmp_path / "configured.sh"
    link.symlink_to(site.script)
    pid = site.start("bash", str(site.script))
    until_found(lambda: [pid for pid, _ in foreign_runs(str(link), str(site.deployments))], [pid])


def test_who_only_names_or_reads_the_script_does_not_run_it(site: Site, tmp_path: Path) -> None:
    (tmp_path / "other.sh").write_text("read -r _ < fifo\n")
    path = str(site.script)
    site.start("bash", "-c", 'read -r _ < "$0"fifo', path)
    site.start("bash", "other.sh", path)
    site.start("tail", "-f", "/dev/null", path)
    last = site.start("bash", path)
    until_found(site.foreign, [last])


def test_the_oldest_run_is_the_first_and_what_one_has_started_is_none_of_its_own(site: Site) -> None:
    site.script.write_text("(read -r _ < fifo)\ntrue\n")
    pids = []
    for _ in range(2):
        pids.append(site.start("bash", "x.sh"))
        until_found(site.foreign, pids)
        time.sleep(2 / os.sysconf("SC_CLK_TCK"))  # the start of the next one is counted in these
    assert len({ticks for _, ticks in foreign_runs(str(site.script), str(site.deployments))}) == len(pids)


def test_a_run_with_the_mark_of_one_of_our_deployments_is_ours(site: Site) -> None:
    pid = site.start("bash", "x.sh", PINAKAD_NODES_DIR=f"{site.deployments}/20261123T212455Z.0001/nodes")
    until_found(site.own, [pid])
    assert site.foreign() == []


@pytest.mark.parametrize("mark", ["{}", "{}2/id/nodes", "/elsewhere/id/nodes", "x{}/id/nodes"])
def test_a_run_with_the_mark_of_somebody_elses_is_not(site: Site, mark: str) -> None:
    pid = site.start("bash", "x.sh", PINAKAD_NODES_DIR=mark.format(site.deployments))
    until_found(site.foreign, [pid])
    assert site.own() == []


def test_a_run_below_a_process_that_names_one_of_our_deployments_is_ours(site: Site) -> None:
    site.start("bash", "-c", "env -i bash x.sh; true", f"{site.deployments}/20261123T212455Z.0001")
    ends_s = time.monotonic() + 10
    while not (found := site.own()):
        assert time.monotonic() < ends_s
        time.sleep(0.01)
    assert len(found) == 1
    assert site.foreign() == []


def test_a_script_that_is_not_there_is_run_by_nobody(tmp_path: Path) -> None:
    assert foreign_runs(str(tmp_path / "none.sh"), str(tmp_path)) == []
    assert own_runs(str(tmp_path / "none.sh"), str(tmp_path)) == []
