"""The power goes at any moment of a run: whatever a disk may hold then, the next boot keeps every promise.

Runs of the real daemon are recorded (strace_log.py, recorded_site.py), each cut of each is replayed on the model of a
disk (disk_model.py), each state that this can leave is recovered (next_boot.py) and judged (promise.py).
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from crashes import CRASHING, ORDINARY
from disk_model import Tree
from machines import Machines
from next_boot import NextBoot
from promise import Expected, Judge
from recorded_site import RecordedSite, Recording
from world import World

from pinakad.report.vocabulary import Outcome, Phase, Reason
from pinakad.state.crash_points import CrashPoint

SHM = Path("/dev/shm")
OTHER_BOOT = "6f2f2d7c0f0a4c31a6f2f7e9c8d1b2a3"
SCRIPT_FAILS = Expected()
SHARE = 60
"""So many of a story's disk states the normal run judges, with and without durable producers, spread over all."""


@dataclass(frozen=True)
class Story:
    """A run to be recorded, and how it ends."""

    tell: Callable[[RecordedSite], None]
    expected: Expected = SCRIPT_FAILS
    keep: int = 100


def is_over(site: RecordedSite) -> None:
    """Wait until all is answered and nothing of ours is left beside the answer."""
    site.world.wait_idle()
    site.world.wait(lambda: not list(site.markers.glob(".pinakad-*")), "a marker folder without asides")


def fails(site: RecordedSite) -> None:
    site.start()
    site.touch()
    site.world.answer()
    is_over(site)


def has_a_slow_disk(site: RecordedSite) -> None:
    """Each process's second sync is slow: the supervisor's is the one that makes `started` durable."""
    site.start("inject=fsync:delay_enter=300000:when=2")
    site.touch()
    site.world.answer()
    is_over(site)


def is_refused(site: RecordedSite) -> None:
    site.start()
    for _ in range(2):
        site.write('{"nodes": []}')
        site.world.answer()
        is_over(site)


def is_asked_for_before_the_start(site: RecordedSite) -> None:
    site.cancel()
    site.rename_in('{"nodes": ["node_01.json"]}')
    site.start()
    site.world.answer()
    is_over(site)


def is_cancelled_with_another_queued(site: RecordedSite) -> None:
    world = site.world
    line, _ = world.gate()
    world.write_script(f'[ "$(wc -l < "{world.root}/runs")" -gt 1 ] || {line}\nexit 7')
    site.start()
    site.touch()
    world.wait(world.runs, "a script that runs")
    site.rename_in()
    site.cancel()
    assert world.answer().outcome is Outcome.CANCELLED
    world.answer()
    is_over(site)


def is_cancelled_too_late(site: RecordedSite) -> None:
    fails(site)
    site.cancel()
    site.link_in()
    site.world.answer()
    is_over(site)


def is_touched_during_the_run(site: RecordedSite) -> None:
    world = site.world
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 7")
    site.start()
    site.write('{"nodes": ["node_01.json"]}')
    world.wait(world.runs, "a script that runs")
    site.touch()
    go_on()
    world.answer()
    go_on()
    world.answer()
    is_over(site)


def is_replaced_during_the_run(site: RecordedSite) -> None:
    world = site.world
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 7")
    site.start()
    site.touch()
    world.wait(world.runs, "a script that runs")
    site.rename_in('{"nodes": ["node_01.json"]}')
    go_on()
    go_on()
    world.answer()
    world.wait(lambda: len(world.runs()) == 2, "a second run")
    is_over(site)


def is_touched_late(site: RecordedSite) -> None:
    site.start()
    site.write('{"nodes": ["node_01.json"]}')
    touch = site.hold()
    site.world.answer()
    site.world.wait_idle()
    touch()
    site.world.answer()
    is_over(site)


def is_touched_late_while_another_runs(site: RecordedSite) -> None:
    world = site.world
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 7")
    go_on()
    site.start()
    site.touch()
    touch = site.hold()
    world.answer()
    world.wait_idle()
    site.rename_in()
    world.wait(lambda: len(world.runs()) == 2, "a second run")
    touch()
    go_on()
    go_on()
    world.wait(lambda: len(world.runs()) == 3, "a third run")
    is_over(site)


def is_removed_during_the_run(site: RecordedSite) -> None:
    world = site.world
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 7")
    site.start()
    site.touch()
    world.wait(world.runs, "a script that runs")
    site.remove()
    go_on()
    world.answer()
    is_over(site)
    site.touch()
    go_on()
    world.answer()
    is_over(site)


def is_linked_in_again(site: RecordedSite) -> None:
    """Once while the last one is still set aside, once when it is gone."""
    site.start()
    for number in range(1, 4):
        site.link_template_in()
        site.world.wait(lambda number=number: len(site.world.runs()) == number, "a run of its own")
        site.world.wait(lambda: not site.world.requested(), "the served request gone")
        if number == 2:
            is_over(site)
    is_over(site)


def is_linked_in_again_during_the_run(site: RecordedSite) -> None:
    world = site.world
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 7")
    site.start()
    site.link_template_in()
    world.wait(world.runs, "a script that runs")
    site.remove()
    world.wait_for_log("was removed by somebody else while it is served")
    site.link_template_in()
    go_on()
    go_on()
    world.wait(lambda: len(world.runs()) == 2, "a second run")
    is_over(site)


def makes_room_for_others(site: RecordedSite) -> None:
    site.world.configure(history={"keep": 1})
    site.start()
    for _ in range(3):
        site.touch()
        site.world.answer()
        is_over(site)


def completes(site: RecordedSite) -> None:
    site.start()
    site.touch()
    assert site.world.answer().outcome is Outcome.COMPLETED
    is_over(site)


def killed_at(*moments: str) -> Callable[[RecordedSite], None]:
    """Return a story in which the daemon is killed at a step, is started again, and so on."""

    def tell(site: RecordedSite) -> None:
        world = site.world
        site.touch()
        for moment in moments:
            world.program = CRASHING
            site.start(ready=False, CRASH_AT=moment)
            world.wait(world.daemon_code, "the daemon's death")
        world.program = ORDINARY
        site.start()
        world.answer()
        is_over(site)

    return tell


def loses_power_and_goes_on(site: RecordedSite) -> None:
    """A recovery is recorded, too: the power may go once more."""
    world = site.world
    line, _ = world.gate()
    world.write_script(f"{line}\nexit 7")
    site.start()
    site.touch()
    world.wait(lambda: world.runs() and world.report().phase is Phase.POLLING, "a script that runs")
    world.kill()
    site.end_scripts()
    site.start(PINAKAD_BOOT_ID=OTHER_BOOT)
    assert world.answer().reason is Reason.SCRIPT_INTERRUPTED
    is_over(site)


STORIES = {
    "completes": Story(completes, Expected(None)),
    "fails": Story(fails),
    "has a slow disk": Story(has_a_slow_disk),
    "is refused": Story(is_refused, Expected(Reason.INVALID_REQUEST)),
    "is asked for before the start": Story(is_asked_for_before_the_start),
    "is cancelled with another queued": Story(is_cancelled_with_another_queued),
    "is cancelled too late": Story(is_cancelled_too_late),
    "is touched during the run": Story(is_touched_during_the_run),
    "is replaced during the run": Story(is_replaced_during_the_run),
    "is touched late": Story(is_touched_late),
    "is touched late while another runs": Story(is_touched_late_while_another_runs),
    "is removed during the run": Story(is_removed_during_the_run),
    "is linked in again": Story(is_linked_in_again),
    "is linked in again during the run": Story(is_linked_in_again_during_the_run),
    "makes room for others": Story(makes_room_for_others, keep=1),
    "is killed before the launch": Story(
        killed_at(f"done: {CrashPoint.FOLDER_MADE}", f"done: {CrashPoint.SAVED_LAUNCHING}")
    ),
    "is killed at the end": Story(
        killed_at(f"done: {CrashPoint.ANSWER_WRITTEN}", f"done: {CrashPoint.REQUEST_SET_ASIDE}")
    ),
    "loses power and goes on": Story(loses_power_and_goes_on),
}


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Give a folder in memory: a sync costs nothing there."""
    with tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.parametrize("name", STORIES)
def test_whatever_a_power_cut_leaves_of_a_run_every_promise_is_kept(
    world: World, machines: Machines, scratch: Path, name: str
) -> None:
    judge_story(world, machines, scratch, name, SHARE)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", STORIES)
def test_whatever_a_power_cut_leaves_of_a_run_every_promise_is_kept_in_every_state(
    world: World, machines: Machines, scratch: Path, name: str
) -> None:
    judge_story(world, machines, scratch, name, None)


def judge_story(world: World, machines: Machines, scratch: Path, name: str, share: int | None) -> None:
    """Record a story and judge what a power cut can leave of it. `share`: at most so many states of each kind."""
    story = STORIES[name]
    world.add_node(1)
    if story.expected.reason is None:
        machines.add(1)
    else:
        world.write_script("exit 7")
    site = RecordedSite(world)
    story.tell(site)
    site.end()
    recording = site.recording()
    found = list(judgements(recording, story, site, scratch, share))
    wrong = [text for texts in found for text in texts]
    print(f"{name}: {len(recording.disk.operations)} operations, {len(found)} disk states, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong[:20])
    assert len(found) > 80


@pytest.mark.parametrize("left_out", [".started.", ".pinakad-answer", ".exit.new", "deplyment_status"])
def test_a_sync_that_is_left_out_is_found(world: World, scratch: Path, left_out: str) -> None:
    """Whoever takes one away sees this test's sibling fail."""
    world.add_node(1)
    world.write_script("exit 7")
    site = RecordedSite(world)
    fails(site)
    site.end()
    recording = site.recording(lambda call: "fsync" not in call.name or not call.open_path(0).name.startswith(left_out))
    assert any(judgements(recording, STORIES["fails"], site, scratch))


def judgements(
    recording: Recording, story: Story, site: RecordedSite, scratch: Path, share: int | None = None
) -> Iterator[list[str]]:
    """Yield for each state of the disk what is wrong with it."""
    exit_code = 7 if story.expected.reason else 0
    boot = NextBoot(scratch, keep=story.keep, exit_code=exit_code, wall_s=recording.ended_s + 60)
    with closing(boot):
        for at_once in (False, True):
            if at_once:
                recording.disk.let_producers_be_durable()
            judge = Judge(recording, story.expected, site.markers, site.state, at_once=at_once)
            for moment, state in spread(distinct(recording, judge), share):
                found = list(judge.wrong_at_once(moment, state))
                found += judge.wrong(moment, state, *boot.recover(state, site.markers, site.state))
                yield [f"{at_once=} {moment=}: {text}\n{shown(state)}" for text in found]


def spread(states: Iterator[tuple[int, Tree]], share: int | None) -> Iterable[tuple[int, Tree]]:
    """Return at most `share` of them, as far from each other as can be; all where there is none."""
    if share is None:
        return states
    every = list(states)
    return every[:: -(-len(every) // share) or 1]


def distinct(recording: Recording, judge: Judge) -> Iterator[tuple[int, Tree]]:
    """Return each state of the disk once for what must hold of it."""
    seen = set()
    for moment in range(recording.disk.moments + 1):
        for state in recording.disk.states_at(moment):
            key = hash((state.identity(), judge.facts(moment)))
            if key not in seen and state.is_possible:
                seen.add(key)
                yield moment, state


def shown(state: Tree) -> str:
    """Return a disk's names for people."""
    return "\n".join(
        f"    {path.relative_to(path.parents[1])} #{inode} {len(state.inodes[inode].content)} bytes"
        for path, inode in state.listing()
    )
