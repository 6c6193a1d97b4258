"""One file is linked in as a request again and again: each time it looks exactly like the last one, and is a new one.

The ledger of served requests tells them apart, so it knows when one is gone, and forgets it then.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from site_folders import CANCEL, REQUEST
from worker_run import Events, RestartedWorker
from world import World

FIRST_MTIME_NS = 1_700_000_000 * 10**9


class RequestWorker:
    """A desk without a daemon around it, on virtual time; the template that is linked in; what was launched."""

    def __init__(self, root: Path) -> None:
        self.launched: list[str] = []
        self.worker = RestartedWorker(root, Events(lambda: None, self.launched.append))
        self.template, self.request = root / "template", self.worker.markers / REQUEST
        self.template.touch()
        os.utime(self.template, ns=(FIRST_MTIME_NS, FIRST_MTIME_NS))
        self.worker.start()

    def link_in(self) -> None:
        os.link(self.template, self.request)

    def until(self, holds: Callable[[], object]) -> None:
        """Let the virtual time pass until it holds."""
        for _ in range(400):
            if holds():
                return
            self.worker.advance(0.05)
        raise AssertionError("it never holds")

    def restart(self) -> None:
        self.worker.crash()
        self.worker.start()


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[RequestWorker]:
    made = RequestWorker(tmp_path)
    yield made
    made.worker.close()


def entries(state: Path) -> list[dict[str, object]]:
    return json.loads((state / "served.json").read_bytes())  # type: ignore[no-any-return]


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("rests_s", [0.0, 3.0])
def test_each_linking_after_the_answer_has_a_run_of_its_own(
    worker: RequestWorker, restarts: bool, rests_s: float
) -> None:
    """`rests_s`: while the last one is still set aside, or when it is gone."""
    for number in range(1, 4):
        worker.link_in()
        worker.until(lambda number=number: len(worker.launched) == number and not worker.request.exists())
        worker.worker.advance(rests_s)
        if restarts:
            worker.restart()
    worker.worker.advance(20)
    assert len(worker.launched) == len(set(worker.launched)) == 3


@pytest.mark.parametrize("restarts", [False, True])
def test_one_that_was_seen_to_go_during_its_run_and_is_linked_in_again_has_a_run_of_its_own(
    worker: RequestWorker, restarts: bool
) -> None:
    worker.link_in()
    worker.until(lambda: worker.launched)
    worker.request.unlink()
    worker.worker.advance(0.7)
    worker.link_in()
    if restarts:
        worker.restart()
    worker.worker.advance(20)
    assert len(worker.launched) == len(set(worker.launched)) == 2


def test_one_that_stays_is_served_once_however_often_its_daemon_dies(worker: RequestWorker) -> None:
    worker.link_in()
    worker.until(lambda: worker.launched)
    for _ in range(5):
        worker.restart()
        worker.worker.advance(0.3)
    worker.worker.advance(20)
    assert len(worker.launched) == 1


def test_the_ledger_is_empty_when_all_is_over(worker: RequestWorker) -> None:
    for _ in range(3):
        worker.link_in()
        worker.until(lambda: not worker.request.exists())
    worker.worker.advance(20)
    assert entries(worker.worker.store.root) == []


@pytest.mark.parametrize("during_the_run", [False, True])
def test_the_daemon_serves_each_linking_and_forgets_it(world: World, during_the_run: bool) -> None:
    world.add_node(1)
    line, go = world.gate()
    world.write_script(f"{line}; exit 7")
    template = world.drafts / "template"
    template.write_text("")
    world.start()
    os.link(template, world.markers / REQUEST)
    world.wait(world.runs, "the first run")
    if during_the_run:
        (world.markers / REQUEST).unlink()
        world.wait(lambda: entries(world.state)[0]["gone"], "a ledger that knows it is gone")
        os.link(template, world.markers / REQUEST)
        go()
    else:
        go()
        world.wait(lambda: not world.requested(), "the first request gone")
        os.link(template, world.markers / REQUEST)
    world.wait(lambda: len(world.runs()) == 2, "the second run")
    go()
    world.wait(lambda: not entries(world.state), "a ledger that has forgotten both")
    assert world.runs() == world.deployments()
    assert not (world.markers / CANCEL).exists()


def test_a_probe_of_the_clock_that_a_power_cut_left_is_removed(world: World) -> None:
    left = world.markers / ".pinakad-clock-0badcafe"
    left.touch()
    in_nobodys_way = world.markers / ".pinakad-clock-is-a-folder"
    in_nobodys_way.mkdir()
    world.start()
    world.wait(lambda: not left.exists(), "a folder without it")
    assert in_nobodys_way.is_dir()
