"""A storm of touches, writes, renames and links, above all around the end of a run: none is lost, none served twice."""

import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from site_folders import REQUEST
from world import World

PRODUCERS = 3
SEED = 33
LAST_S = 30.0


class Run(NamedTuple):
    """When a script began and ended."""

    began_s: float
    ended_s: float


class Storm:
    """Producers, each a thread: they do something to the request, now in bursts, now slower than a run lasts.

    What is late on purpose is a file that was opened before it was set aside, and is touched up to a second later.
    """

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.deeds = 0
        self.last_s = 0.0
        self._lock = threading.Lock()
        self._request = world.markers / REQUEST
        self._seeds = random.Random(seed)  # noqa: S311 - a seed that is told, so that it can be done again

    def blow(self, deeds: int) -> None:
        """Let all producers do their deeds, and return when they are done."""
        threads = [
            threading.Thread(target=self._produce, args=(number, deeds // PRODUCERS, self._seeds.random()))
            for number in range(PRODUCERS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _produce(self, number: int, deeds: int, seed: float) -> None:
        chance = random.Random(seed)  # noqa: S311 - the same
        ways = (self._touch, self._write, self._rename_in, self._link_in, self._touch_late)
        for deed in range(deeds):
            chance.choice(ways)(self.world.drafts / f"{number}-{deed}", chance)
            threading.Event().wait(chance.choice((0, 0, 0.001, 0.02, self._around_an_end())))

    def _around_an_end(self) -> float:
        """Return how long it is until about the end of the run that is on."""
        return 0.05 + self._seeds.random() * 0.1

    def _did(self, began_s: float) -> None:
        with self._lock:
            self.deeds += 1
            self.last_s = max(self.last_s, began_s)

    def _touch(self, _draft: Path, _chance: random.Random) -> None:
        began_s = time.time()
        self._request.touch()
        self._did(began_s)

    def _write(self, _draft: Path, chance: random.Random) -> None:
        began_s = time.time()
        self._request.write_text(chance.choice(("", '{"request_id": "storm"}')))
        self._did(began_s)

    def _rename_in(self, draft: Path, _chance: random.Random) -> None:
        draft.write_text("")
        began_s = time.time()
        draft.rename(self._request)
        self._did(began_s)

    def _link_in(self, draft: Path, _chance: random.Random) -> None:
        draft.write_text("")
        began_s = time.time()
        with suppress(FileExistsError):
            os.link(draft, self._request)
            self._did(began_s)
        draft.unlink()

    def _touch_late(self, _draft: Path, chance: random.Random) -> None:
        """Open it, and touch it when it has perhaps been set aside. Where it was replaced meanwhile, it is none."""
        try:
            held = os.open(self._request, os.O_WRONLY)
        except FileNotFoundError:
            return
        threading.Event().wait(chance.random())
        began_s = time.time()
        os.utime(held)
        if os.fstat(held).st_nlink:
            self._did(began_s)
        os.close(held)


def stamps(world: World) -> list[Run]:
    """Return the runs, in the order of their beginnings. One that has not ended fails the test."""
    lines = [line.split() for line in (world.root / "stamps").read_text(encoding="utf-8").splitlines()]
    begins = [float(when) for what, when in lines if what == "begin"]
    ends = [float(when) for what, when in lines if what == "end"]
    assert [what for what, _ in lines] == ["begin", "end"] * len(begins), "two runs at once"
    return [Run(began_s, ended_s) for began_s, ended_s in zip(begins, ends, strict=True)]


@pytest.fixture
def stormy(world: World) -> Iterator[World]:
    """Give a world whose script stamps its begin and its end, and fails, so that no node is waited for."""
    world.add_node(1)
    stamp = f'"$EPOCHREALTIME" >> "{world.root}/stamps"'
    world.write_script(f"echo begin {stamp}; sleep 0.05; echo end {stamp}; exit 7")
    world.configure(history={"keep": 100000})
    return world


def assert_none_lost_none_twice(world: World, storm: Storm) -> None:
    world.wait_idle()
    world.wait(lambda: not list(world.markers.glob(".pinakad-*")), "a folder without asides", LAST_S)
    world.wait_idle()
    runs = stamps(world)
    assert runs[-1].began_s >= storm.last_s
    assert len(runs) <= storm.deeds
    assert sorted(set(world.runs())) == world.runs() == world.deployments()


def storms(world: World, how_many: int, deeds: int, seed: int) -> str:
    """Let several storms blow, each followed by the proof that its last deed was served."""
    storm = Storm(world, seed)
    world.start()
    for _ in range(how_many):
        storm.blow(deeds)
        world.wait((world.root / "stamps").exists, "a run")
        assert_none_lost_none_twice(world, storm)
    return f"{storm.deeds} touches, {len(stamps(world))} runs"


def test_the_last_of_hundreds_of_touches_is_served_and_none_is_served_twice(stormy: World) -> None:
    print(storms(stormy, 2, 90, SEED))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_last_of_thousands_of_touches_is_served_and_none_is_served_twice(stormy: World) -> None:
    print(storms(stormy, 7, 900, SEED + 1))
