"""What does the daemon make of a disk after a power cut? Its real parts, without their processes, on virtual time.

The host was booted again: nothing that ran before runs, and the boot id is another one. A script that is launched now
ends at once.
"""

import asyncio
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

import looptime
from disk_model import Tree
from site_folders import CANCEL
from stage import Stage, node_file
from world import ANSWERS

from pinakad.config import Config, PathSettings, ScriptSettings
from pinakad.daemon.worker import RequestWorker
from pinakad.deployment.dependencies import Dependencies
from pinakad.linux.clock import boot_id
from pinakad.markers.folder import Markers
from pinakad.markers.request import Identity
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.problems import Problem
from pinakad.report.document import Report, ScriptPart
from pinakad.report.vocabulary import Refusal
from pinakad.script import records
from pinakad.script.outcome import Started
from pinakad.script.script import ScriptOnDisk
from pinakad.script.supervisor import Spec
from pinakad.state.retry import WriteRetry
from pinakad.state.store import StateUnreadableError, Store
from pinakad.state.troubles import Troubles
from pinakad.times import Instant, Moment

SCRIPT = Path("/srv/x.sh")
BOOT = "0b0c5c1e7a3f4b0e9d562f8d1c9b7a11"
_LOOK_S = 0.3
_LIMIT_S = 90.0
_NOWHERE = 1 << 40
_INODE = re.compile(rb'("inode": ?)(\d+)')


@contextmanager
def another_boot() -> Iterator[None]:
    """Let this host have been booted again. Of hundreds of boots nobody reads the log."""
    before = os.environ.get("PINAKAD_BOOT_ID")
    os.environ["PINAKAD_BOOT_ID"] = BOOT
    logging.disable()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        if before is None:
            del os.environ["PINAKAD_BOOT_ID"]
        else:
            os.environ["PINAKAD_BOOT_ID"] = before


@dataclass
class Recovery:
    """What there is in the end: reports, answers, what was launched, what is left; `error`: it crashed."""

    reports: dict[str, Report | None] = field(default_factory=dict)
    launched: list[str] = field(default_factory=list)
    broken_snapshots: list[str] = field(default_factory=list)
    """The deployments whose script was launched without the node files that their report names."""
    answers: dict[str, Report | None] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    error: BaseException | None = None


class Folders:
    """A disk's two folders, made real. Inodes are others then: they are changed wherever they were written down."""

    def __init__(self, state: Tree, root: Path, markers: Path, store: Path) -> None:
        self.markers, self.state = root / "markers", root / "state"
        self._real: dict[int, int] = {}
        places = {markers: self.markers, store: self.state}
        made: dict[int, Path] = {}
        for old, new in places.items():
            new.mkdir()
            self._real[state.inodes[state.roots[old]].number] = new.stat().st_ino
            inside = [(path, inode) for path, inode in state.listing() if path.is_relative_to(old)]
            if old == markers:  # whatever is done to a file there, its ctime tells when
                inside.sort(key=lambda entry: state.changed.get(entry[1], 0))
            for path, inode in inside:
                self._make(state, inode, new / path.relative_to(old), made)
                self._let_pass(new / path.relative_to(old))

    def identity(self, found: Identity) -> Identity:
        """Return an identity as it was recorded."""
        real = {new: old for old, new in self._real.items()}
        number = found.inode - _NOWHERE if found.inode >= _NOWHERE else real.get(found.inode, found.inode)
        return replace(found, inode=number)

    def _make(self, state: Tree, inode: int, path: Path, made: dict[int, Path]) -> None:
        entry = state.inodes[inode]
        if entry.is_folder:
            path.mkdir()
        elif inode in made:
            os.link(made[inode], path)
        else:
            made[inode] = path
            path.write_bytes(_INODE.sub(self._renumbered, entry.content))
            os.utime(path, ns=(entry.mtime_ns, entry.mtime_ns))
            if entry.number:
                self._real[entry.number] = path.stat().st_ino

    def _let_pass(self, path: Path) -> None:
        """Wait for the next tick of the clock by which files are stamped, where it counts which was first."""
        if path.parent == self.markers:
            made_ns = path.stat().st_ctime_ns
            while path.stat().st_ctime_ns == made_ns:
                os.utime(path, ns=(path.stat().st_mtime_ns,) * 2)

    def _renumbered(self, found: re.Match[bytes]) -> bytes:
        number = int(found[2])
        return found[1] + str(self._real.get(number, number + _NOWHERE)).encode()


class _ScriptOfNextBoot(ScriptOnDisk):
    """The real law of `started` and `exit`. Its file is nowhere, so that no process is found to run it."""

    def problem(self) -> Refusal | None:
        return None

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        return ScriptPart(path=str(SCRIPT), sha256="0" * 64, runner="subprocess"), []


class _Runner:
    """A supervisor without a process, whose script ends at once."""

    makes_executable = False

    def __init__(
        self, launched: Callable[[str], None], exit_code: int, clock: Callable[[], tuple[float, float]]
    ) -> None:
        self._launched, self._exit_code, self._clock = launched, exit_code, clock

    def start_prepared(self, spec: Spec) -> AbstractContextManager[None]:
        return nullcontext()

    async def start(self, spec: Spec) -> str | None:
        record = self._at_this_moment(records.started_record(spec.identifier, 1, spec.boot_id))
        with suppress(FileExistsError):
            lock = records.claim(spec.folder, record)
            self._launched(spec.identifier)
            ended = records.exit_record(self._exit_code << 8, 0, 0, "", spec.boot_id)
            records.leave(spec.folder, records.EXIT, self._at_this_moment(ended), lambda _: None)
            os.close(lock)
        return None

    def _at_this_moment(self, record: str) -> str:
        boot_s, wall_s = self._clock()
        return json.dumps(json.loads(record) | {"boot_s": boot_s, "wall_s": wall_s})

    def call_off(self) -> None:
        """Nothing."""

    async def failed(self) -> str | None:
        return None

    async def stop(self, nodes_dir: str, started: Started) -> bool:
        return True


class NextBoot:
    """Lets the daemon go on after one cut after the other; `scratch`: where disks are made real, best in memory."""

    def __init__(self, scratch: Path, *, keep: int, exit_code: int, wall_s: float) -> None:
        self._scratch = scratch
        self._exit_code = exit_code
        self._wall_s = wall_s
        self._config = Config(paths=PathSettings(work_dir=scratch), history={"keep": keep}, poll={"delay_s": 0})
        self._loop = looptime.patch_event_loop(asyncio.new_event_loop())

    def close(self) -> None:
        """End it."""
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def recover(self, state: Tree, markers: Path, store: Path) -> tuple[Recovery, Folders]:
        """Make a disk real, let the daemon serve until it is idle, and say what there is then."""
        root = self._scratch / "disk"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        folders = Folders(state, root, markers, store)
        recovery = Recovery()
        with another_boot():
            try:
                self._loop.run_until_complete(self._serve(folders, recovery))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
                recovery.error = error
        return recovery, folders

    async def _serve(self, folders: Folders, recovery: Recovery) -> None:
        store = Store(folders.state)
        store.prepare()
        troubles = Troubles()
        markers = Markers(folders.markers, troubles)
        never = asyncio.Event()
        requested = asyncio.Event()
        worker = RequestWorker(
            store,
            markers,
            lambda: self._config,
            lambda report: self._dependencies(report, store, recovery),
            self._here,
            WriteRetry(never.wait, troubles),
            troubles,
        )

        async def check_markers() -> None:
            while True:
                due_s = worker.react(self._loop.time(), closed=False)
                if due_s == 0.0:
                    requested.set()
                await asyncio.sleep(_LOOK_S)

        async def serve(group: asyncio.TaskGroup) -> None:
            await worker.pick_up(group, lambda: None)
            while True:
                requested.clear()
                await requested.wait()
                await worker.serve(group)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(check_markers()), group.create_task(serve(group))]
            ends_s = self._loop.time() + _LIMIT_S
            await asyncio.sleep(_LOOK_S)
            # the event is a file
            while _is_busy(folders.markers, store, worker) and self._loop.time() < ends_s:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
            for task in tasks:
                task.cancel()
        _take_stock(recovery, folders, store)

    def _here(self) -> Moment:
        return Moment(boot_id(), *self._clock())

    def _clock(self) -> tuple[float, float]:
        return self._loop.time(), self._wall_s + self._loop.time()

    def _dependencies(self, report: Report, store: Store, recovery: Recovery) -> Dependencies:
        folder = store.folder(report.id)

        def launched(identifier: str) -> None:
            recovery.launched.append(identifier)
            if not has_snapshot(store.load(identifier), folder / "nodes"):
                recovery.broken_snapshots.append(identifier)

        runner = _Runner(launched, self._exit_code, self._clock)
        script = _ScriptOfNextBoot(folder, report.id, SCRIPT, folder, ScriptSettings(), runner, expected=report.script)

        async def save(report: Report, *, must: bool) -> None:
            await asyncio.sleep(0)
            store.save(report)

        async def snapshot(files: Mapping[str, bytes]) -> None:
            await asyncio.sleep(0)
            store.snapshot(report.id, files)

        async def read_nodes() -> list[ParsedNodeFile]:
            await asyncio.sleep(0)
            return [node_file(1)]

        parts = {"boot_id": boot_id(), "now": lambda: Instant(*self._clock()), "script": script}
        return replace(Stage().dependencies(), save=save, snapshot=snapshot, read_nodes=read_nodes, **parts)


def has_snapshot(report: Report, folder: Path) -> bool:
    """Tell whether the node files of a report are there as they were read."""
    files = {node.file: folder / node.file for node in report.nodes}
    return bool(files) and all(
        files[node.file].exists() and sha256(files[node.file].read_bytes()).hexdigest() == node.sha256
        for node in report.nodes
    )


def _is_busy(markers: Path, store: Store, worker: RequestWorker) -> bool:
    names = set(os.listdir(markers))  # noqa: PTH208 - one look at the folder
    return bool(names - ANSWERS - {CANCEL}) or worker.running is not None or bool(_unanswered(store))


def _unanswered(store: Store) -> list[str]:
    return [identifier for identifier in store.ids() if not store.is_answered(identifier)]


def _take_stock(recovery: Recovery, folders: Folders, store: Store) -> None:
    for identifier in store.ids():
        try:
            recovery.reports[identifier] = store.load(identifier)
        except StateUnreadableError:
            recovery.reports[identifier] = None
    names = sorted(os.listdir(folders.markers))  # noqa: PTH208 - the same
    for name in names:
        if name in ANSWERS:
            recovery.answers[name] = Report.model_validate_json((folders.markers / name).read_bytes())
    recovery.left = [name for name in names if name not in ANSWERS | {CANCEL}]
    recovery.unanswered = _unanswered(store)
