"""A file system that keeps whole seconds: no touch is lost in the second in which its request is taken."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from disks import require_root
from pinakactl import Operator
from site_folders import REQUEST
from worker_run import Events, RestartedWorker
from world import World


def mount_coarse(image: Path, folder: Path) -> None:
    """Mount an ext2 whose inodes have no room for fractions of a second (mke2fs(8), -I 128)."""
    require_root()
    with image.open("wb") as file:
        file.truncate(8 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext2", "-I", "128", image], check=True, capture_output=True)
    done = subprocess.run(["mount", "-o", "loop", image, folder], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("no loop device")


@pytest.fixture
def coarse(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in which times are whole seconds."""
    folder = tmp_path / "coarse"
    folder.mkdir()
    mount_coarse(tmp_path / "image", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def begin_a_second() -> None:
    """Return right after a second has begun: what is done now is done in one second."""
    deadline_s = int(time.time()) + 1.02
    while time.time() < deadline_s:
        pass


@pytest.mark.parametrize("crashes", [False, True])
def test_a_touch_right_after_the_node_files_were_read_is_served_though_its_second_is_the_same(
    coarse: Path, crashes: bool
) -> None:
    launched: list[str] = []
    worker = RestartedWorker(coarse, Events(lambda: None, launched.append), asyncio.new_event_loop(), closed=True)
    request = worker.markers / REQUEST

    def touch_once() -> None:
        worker.during_the_reading = lambda: None
        request.touch()

    worker.during_the_reading = touch_once
    try:
        begin_a_second()
        request.touch()
        assert request.stat().st_mtime_ns % 10**9 == 0
        if crashes:
            worker.start()
            worker.crash_at(6)
            worker.advance(0.05)
        if not worker.lives:
            worker.start()
        wait(worker, lambda: len(launched) == 2)
        assert len(launched) == 2
    finally:
        worker.close()


def wait(worker: RestartedWorker, look: Callable[[], bool]) -> None:
    for _ in range(100):
        worker.advance(0.1)
        if look():
            return


def test_doctor_says_that_times_are_coarse(world: World, operator: Operator) -> None:
    mount_coarse(world.root / "image", world.markers)
    try:
        assert "whole seconds" in operator.call("doctor").stdout
    finally:
        subprocess.run(["umount", "--lazy", world.markers], check=True)
    assert "whole seconds" not in operator.call("doctor").stdout
