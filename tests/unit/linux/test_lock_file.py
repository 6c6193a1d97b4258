"""Only who may write in a folder can keep others from working in it."""

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pinakactl import Operator
from world import World

from pinakad.linux.lock_file import LockFile
from pinakad.linux.open_folder import open_folder, shared_folder

OWNER, GROUP, MEMBER, READER = 40_721, 40_722, 40_723, 40_724
NAME = ".lock"
TAKE = """
import fcntl, os, sys
try:
    fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    print("taken", flush=True)
    sys.stdin.read()
except OSError as error:
    print(type(error).__name__, flush=True)
"""
TAKE_AND_DIE = """
import pathlib, sys
from pinakad.linux.lock_file import LockFile
from pinakad.linux.open_folder import shared_folder
with shared_folder(pathlib.Path(sys.argv[1])) as folder:
    assert LockFile(folder, sys.argv[2]).take()
"""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be others")


@contextmanager
def taking(path: Path, user: int, group: int) -> Iterator[str]:
    """Take the flock of a file or folder as another user; yield what came of it."""
    words = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", sys.executable, "-S", "-c", TAKE]
    with subprocess.Popen(
        [*words, path.name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=path.parent
    ) as process:  # on the way there are folders that are closed to others
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    if os.getuid() == 0:
        os.chown(folder, OWNER, GROUP)
    folder.chmod(0o775)
    return folder


@as_root
def test_who_may_only_read_the_nodes_folder_holds_up_no_pinakactl(world: World, operator: Operator) -> None:
    world.nodes.chmod(0o755)
    world.add_node(1)
    with taking(world.nodes, READER, READER) as said:
        assert said == "taken"
        began_s = time.monotonic()
        assert operator.call("retire", "sqdn-001").returncode == 0
        assert time.monotonic() - began_s < 20
    assert operator.files() == ["retired"]


def test_one_at_a_time_has_the_lock_and_nothing_of_it_is_left(shared: Path) -> None:
    with shared_folder(shared) as one, shared_folder(shared) as other:
        first, second = LockFile(one, NAME), LockFile(other, NAME)
        assert first.take()
        assert not second.take()
        first.release()
        assert second.take()
        assert not first.take()
        second.release()
    assert list(shared.iterdir()) == []


@as_root
@pytest.mark.parametrize(("user", "group", "said"), [(READER, READER, "PermissionError"), (MEMBER, GROUP, "taken")])
def test_what_a_killed_call_has_left_is_for_those_who_may_write(shared: Path, user: int, group: int, said: str) -> None:
    subprocess.run([sys.executable, "-c", TAKE_AND_DIE, shared, NAME], check=True)
    status = (shared / NAME).stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (GROUP, 0o660)
    with taking(shared / NAME, user, group) as found:
        assert found == said
    with shared_folder(shared) as folder:
        lock = LockFile(folder, NAME)
        assert lock.take()
        lock.release()
    assert list(shared.iterdir()) == []


@as_root
def test_a_default_access_list_lets_no_reader_take_the_lock(shared: Path) -> None:
    subprocess.run(["setfacl", "-d", "-m", f"u:{READER}:r-x", shared], check=True)
    with shared_folder(shared) as folder:
        lock = LockFile(folder, NAME)
        assert lock.take()
        with taking(shared / NAME, READER, READER) as found:
            assert found == "PermissionError"
        lock.release()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("other"), lambda path: path.mkdir()])
def test_what_is_no_file_is_no_lock_and_is_not_followed(shared: Path, make: object) -> None:
    make(shared / NAME)  # type: ignore[operator]
    with open_folder(shared) as folder, pytest.raises(OSError, match=r"lock"):
        LockFile(folder, NAME).take()
    assert not (shared / "other").exists()


def test_a_lock_whose_name_went_to_another_file_is_not_taken(shared: Path) -> None:
    with open_folder(shared) as folder:
        lock = LockFile(folder, NAME)
        assert lock.take()
        (shared / NAME).unlink()
        descriptor = os.open(shared / NAME, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        lock.release()
        assert (shared / NAME).exists(), "another's lock was removed"
        os.close(descriptor)
