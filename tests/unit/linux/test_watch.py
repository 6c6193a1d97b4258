"""Real inotify: does everything that may be a request wake us, and what when events do not come?"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from pinakad.linux.watch import CANARY_EVERY_S, CANARY_LIMIT_S, Watch

NAME = "deployment_in_progress"


class Watched:
    """A watch of one folder, with a way to wait for the next wake-up."""

    def __init__(self, root: Path) -> None:
        self.folder, self.canary, self.other = root / "markers", root / "canary", root / "elsewhere"
        for folder in (self.folder, self.canary, self.other):
            folder.mkdir()
        self.woken = asyncio.Event()
        self.count = 0
        self.watch = Watch(self.canary, ".pinakad-", {self.folder: self._wake})

    def _wake(self) -> None:
        self.count += 1
        self.woken.set()

    async def wakes(self) -> None:
        """Wait for a wake-up."""
        async with asyncio.timeout(5):
            await self.woken.wait()
        self.woken.clear()

    async def quiet(self) -> int:
        """Wait until what happened before has arrived; return the wake-ups until then. A file of ours marks the end.

        Events come in order: when a later file's event has come, all earlier ones have.
        """
        before = self.count
        (self.folder / "mark").touch()
        async with asyncio.timeout(5):
            while not self.watch.was_closed("mark"):  # noqa: ASYNC110 - the event is a name in a set
                await asyncio.sleep(0.01)
        (self.folder / "mark").unlink()
        return self.count - before

    async def until(self, condition: Callable[[], bool]) -> None:
        """Look again and again, as the daemon does, until the condition holds."""
        async with asyncio.timeout(10):
            while not condition():
                self.watch.ensure()
                await asyncio.sleep(0.02)


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path)
    watched.watch.start()
    watched.watch.ensure()
    await watched.wakes()
    yield watched
    watched.watch.stop()
    assert watched.watch._observer is not None
    await asyncio.to_thread(watched.watch._observer.join, 5)


def _created(watched: Watched) -> None:
    os.close(os.open(watched.folder / NAME, os.O_WRONLY | os.O_CREAT))


def _written(watched: Watched) -> None:
    (watched.folder / NAME).write_text("{}")


def _renamed_within(watched: Watched) -> None:
    (watched.folder / ".tmp").write_text("{}")
    (watched.folder / ".tmp").rename(watched.folder / NAME)


def _renamed_in(watched: Watched) -> None:
    (watched.other / "x").write_text("{}")
    (watched.other / "x").rename(watched.folder / NAME)


def _linked_in(watched: Watched) -> None:
    (watched.other / "x").write_text("{}")
    os.link(watched.other / "x", watched.folder / NAME)


def _symlinked(watched: Watched) -> None:
    (watched.folder / NAME).symlink_to("nowhere")


def _folder(watched: Watched) -> None:
    (watched.folder / NAME).mkdir()


ARRIVALS = [_created, _written, _renamed_within, _renamed_in, _linked_in, _symlinked, _folder]


@pytest.mark.parametrize("arrive", ARRIVALS, ids=lambda arrive: arrive.__name__.strip("_"))
async def test_a_request_wakes_however_it_came(watched: Watched, arrive: Callable[[Watched], None]) -> None:
    arrive(watched)
    await watched.wakes()
    assert watched.watch.trusted


@pytest.mark.parametrize("change", ["touch", "append", "remove", "chmod", "rename away"])
async def test_a_change_of_what_is_there_wakes(watched: Watched, change: str) -> None:
    marker = watched.folder / NAME
    marker.write_text("{}")
    await watched.quiet()
    watched.woken.clear()
    if change == "touch":
        os.utime(marker)
    elif change == "append":
        with marker.open("a") as file:
            file.write(" ")
    elif change == "remove":
        marker.unlink()
    elif change == "chmod":
        marker.chmod(0o600)
    else:
        marker.rename(watched.other / NAME)
    await watched.wakes()


async def test_whoever_only_reads_wakes_nobody(watched: Watched) -> None:
    marker = watched.folder / NAME
    marker.write_text("{}")
    await watched.quiet()
    before = watched.count
    for _ in range(50):
        marker.read_text()
        os.listdir(watched.folder)  # noqa: PTH208 - as the daemon looks
    await watched.quiet()
    assert watched.count - before <= 3  # those of the mark


async def test_what_we_write_ourselves_wakes_nobody(watched: Watched) -> None:
    await watched.quiet()
    before = watched.count
    for number in range(50):
        (watched.folder / f".pinakad-{number}").write_text("x")
        (watched.folder / f".pinakad-{number}").unlink()
    await watched.quiet()
    assert watched.count - before <= 3


@pytest.mark.parametrize(("arrive", "closed"), [(_written, True), (_renamed_within, True), (_linked_in, False)])
async def test_a_writer_who_closed_or_renamed_is_known_once(
    watched: Watched, arrive: Callable[[Watched], None], closed: bool
) -> None:
    arrive(watched)
    await watched.quiet()
    assert watched.watch.was_closed(NAME) is closed
    assert not watched.watch.was_closed(NAME)


async def test_names_that_nobody_asks_for_do_not_pile_up(watched: Watched) -> None:
    for number in range(3000):
        (watched.folder / f"tmp{number}").touch()
        (watched.folder / f"tmp{number}").unlink()
        if number % 100 == 0:
            await watched.quiet()
    await watched.quiet()
    assert len(watched.watch._closed) <= 1000


@pytest.mark.parametrize("how", ["replaced", "removed and remade", "behind a link"])
async def test_a_folder_that_is_replaced_is_watched_again(watched: Watched, how: str) -> None:
    first = watched.watch._watched[watched.folder]
    if how == "replaced":
        (watched.other / "new").mkdir()
        watched.folder.rename(watched.other / "old")
        (watched.other / "new").rename(watched.folder)
    elif how == "removed and remade":
        shutil.rmtree(watched.folder)
        watched.folder.mkdir()
    else:
        watched.folder.rename(watched.other / "target")
        watched.folder.symlink_to(watched.other / "target")
    if how != "behind a link":  # that is still the same folder
        await watched.until(lambda: watched.watch._watched.get(watched.folder, first) is not first)
    watched.watch.ensure()
    await watched.quiet()
    watched.woken.clear()
    _created(watched)
    await watched.wakes()
    assert watched.watch.trusted


async def test_a_folder_that_is_gone_is_told_and_watched_when_it_is_back(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(watched.folder)
    await watched.until(lambda: not watched.watch.trusted)
    for _ in range(3):
        watched.watch.ensure()
    assert f"cannot watch '{watched.folder}': no such file or directory" in watched.watch.trouble
    assert caplog.text.count("rescans have taken over") == 1
    watched.folder.mkdir()
    watched.woken.clear()
    watched.watch.ensure()
    await watched.wakes()  # watch first, then look: something may have come before
    assert watched.watch.trusted
    assert watched.watch.trouble == ""
    _created(watched)
    await watched.wakes()


@pytest.mark.looptime(start=0)
async def test_where_no_event_comes_the_canary_tells(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched(tmp_path)
    watched.watch.start()
    watched.watch.ensure()
    assert watched.watch._observer is not None
    watched.watch._observer.unschedule_all()  # as if the library's thread had died: nothing says so
    for _ in range(2):
        await asyncio.sleep(CANARY_EVERY_S)
        watched.watch.ensure()
        await asyncio.sleep(CANARY_LIMIT_S)
        watched.watch.ensure()
    assert not watched.watch.trusted
    assert watched.watch.trouble == "no event comes any more"
    assert caplog.text.count("no file system event comes") == 1
    watched.watch.stop()
    await asyncio.to_thread(watched.watch._observer.join, 5)


async def test_the_canary_comes_back_on_a_sound_system(watched: Watched) -> None:
    await watched.until(lambda: watched.watch._proof.came_s is not None)
    watched.watch.ensure()
    assert watched.watch.trusted


async def test_a_thread_of_the_library_that_is_stopped_before_it_waits_is_no_error(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """About 7 in 1,000 stops on a busy machine; here the thread's next call is made when it surely has been stopped."""
    observer = watched.watch._observer
    assert observer is not None
    stopped = list(observer.emitters)
    watched.watch.stop()
    await asyncio.to_thread(observer.join, 5)
    for emitter in stopped:
        emitter.queue_events(0)
    assert len(stopped) == 2
    assert not caplog.records


def test_where_the_system_has_no_watch_left_rescans_take_over_and_say_so(tmp_path: Path) -> None:
    """In a user namespace of its own the limit can be nothing without hurting anybody."""
    program = (
        "import asyncio, json, sys\nfrom pathlib import Path\nfrom pinakad.linux.watch import Watch\n"
        "async def main():\n"
        "    root = Path(sys.argv[1])\n"
        "    watch = Watch(root, '.x', {root: lambda: None})\n"
        "    watch.start(); watch.ensure(); watch.ensure()\n"
        "    print(json.dumps([watch.trusted, watch.trouble])); watch.stop()\n"
        "asyncio.run(main())\n"
    )
    limits = 'echo 0 > /proc/sys/user/max_inotify_watches; exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", limits, "sh", sys.executable, "-c", program, tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trusted, trouble = json.loads(done.stdout)
    assert not trusted
    assert "cannot watch" in trouble
