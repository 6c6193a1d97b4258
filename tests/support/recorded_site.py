"""A daemon whose file operations are recorded, and a producer and an operator whose deeds are recorded beside them."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import strace_log
from disk_model import CONTENT, Disk, Inode, Operation, Replay, Tree
from processes import mentioning
from site_folders import CANCEL, REQUEST
from strace_log import Call
from world import World

from pinakad.markers.request import Identity, read_request
from pinakad.script.running_scripts import start_ticks


@dataclass(frozen=True)
class Deed:
    """What somebody did in the marker folder."""

    now_ns: int
    name: str
    number: int | None
    """The file's inode; None where the name was removed."""
    content: bytes | None
    """What was written into it, None where it was only touched."""
    mtime_ns: int = 0
    is_entry: bool = True
    """Whether the name stands for another file now."""
    is_again: bool = False
    """Whether that is a file that was there before."""

    @property
    def identity(self) -> Identity:
        """Return what the daemon knows the request by."""
        assert self.number is not None
        content = self.content or b""
        return Identity(self.number, self.mtime_ns, len(content), hashlib.sha256(content).hexdigest())


@dataclass
class Recording:
    """A run: what was done to the disk, and by whom what was asked for."""

    disk: Disk
    asked: list[tuple[int, Identity]] = field(default_factory=list)
    """The moment of each request, and by what it is known."""
    removed: list[int] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    requests: dict[str, Identity] = field(default_factory=dict)
    """The request of each deployment that was begun."""
    launched: list[tuple[int, str]] = field(default_factory=list)
    """The moment at which the script of a deployment was let go."""
    ended_s: float = 0.0


class RecordedSite:
    """A world whose daemon is recorded. Its request must be made here: what is not recorded is not replayed."""

    def __init__(self, world: World) -> None:
        if strace_log.STRACE is None:
            pytest.skip("strace is not installed")
        self.world = world
        self.calls: list[Call] = []
        self._logs: list[Path] = []
        self._deeds: list[Deed] = []
        self._content: dict[int, bytes] = {}
        self.markers, self.state = world.markers, world.state
        self._first = self._snapshot()
        standing = read_request(self.request)
        self._asked_before = [] if standing is None else [(0, standing.identity)]

    # --- the daemon

    def start(self, *tampering: str, ready: bool = True, **environment: str) -> None:
        """Start the daemon, recorded. `tampering`: what is done to some of its calls and its children's."""
        log = self.world.root / f"strace-{len(self._logs)}"
        self._logs.append(log)
        self.world.as_who = strace_log.command(log, *tampering)
        self.world.start(ready=ready, **environment)

    # --- a producer, an operator

    @property
    def request(self) -> Path:
        """Return the request's place."""
        return self.markers / REQUEST

    def write(self, content: str = "", *, name: str = REQUEST) -> None:
        """Make a file as a shell's `>` does."""
        self._do(name, lambda path: path.write_text(content, encoding="utf-8"), content.encode())

    def touch(self) -> None:
        """Touch the request; where there is none, make one."""
        if self.request.exists():
            self._do(REQUEST, lambda path: path.touch(), None, is_entry=False)
        else:
            self.write()

    def rename_in(self, content: str = "") -> None:
        """Make a request aside and rename it in."""
        self._do(REQUEST, lambda _: self.world.rename_in(content), content.encode())

    def link_in(self) -> None:
        """Make a request aside and link it in."""
        self._do(REQUEST, lambda _: self.world.link_in(), b"")

    def link_template_in(self) -> None:
        """Link the same file in each time: but for its ctime it looks like the one before."""
        template = self.world.drafts / "template"
        is_again = template.exists()
        if not is_again:
            template.write_text("")
        self._do(REQUEST, lambda path: os.link(template, path), b"", is_again=is_again)

    def remove(self) -> None:
        """Remove the request."""
        now_ns = time.time_ns()
        self.request.unlink()
        self._deeds.append(Deed(now_ns, REQUEST, None, None))

    def cancel(self) -> None:
        """Ask to cancel."""
        self.write(name=CANCEL)

    def hold(self) -> Callable[[], None]:
        """Open the request; return what touches it by that, wherever it is then."""
        held = os.open(self.request, os.O_WRONLY)

        def touch() -> None:
            now_ns = time.time_ns()
            os.utime(held)
            status = os.fstat(held)
            content = self._content.get(status.st_ino, b"")
            self._deeds.append(Deed(now_ns, REQUEST, status.st_ino, content, status.st_mtime_ns, is_entry=False))
            os.close(held)

        return touch

    def _do(
        self,
        name: str,
        act: Callable[[Path], object],
        content: bytes | None,
        *,
        is_entry: bool = True,
        is_again: bool = False,
    ) -> None:
        now_ns = time.time_ns()
        act(self.markers / name)
        try:
            status = (self.markers / name).stat()
        except FileNotFoundError:
            raise AssertionError(f"'{name}' was taken away before it could be recorded") from None
        if content is not None:
            self._content[status.st_ino] = content
        content = self._content.get(status.st_ino, b"")
        how = {"is_entry": is_entry, "is_again": is_again}
        self._deeds.append(Deed(now_ns, name, status.st_ino, content, status.st_mtime_ns, **how))

    # --- the end

    def end(self) -> None:
        """End all that is recorded."""
        self.world.kill()
        self.end_scripts()
        self._await_logs()
        calls = (call for log in self._logs for call in strace_log.calls_of(log))
        self.calls = sorted(calls, key=lambda call: call.ended_ns)

    def recording(self, is_done: Callable[[Call], bool] = lambda _: True) -> Recording:
        """Return what was recorded until its end. `is_done`: a call that is not is left out."""
        disk = Disk(self._first.copy())
        recording = Recording(disk, asked=list(self._asked_before))
        replay = Replay(disk)
        deeds = list(self._deeds)
        for call in filter(is_done, self.calls):
            while deeds and deeds[0].now_ns < call.ended_ns:
                self._replay(deeds.pop(0), replay, recording)
            self._take(call, replay, recording)
        for deed in deeds:
            self._replay(deed, replay, recording)
        assert len(recording.launched) == len(self.world.runs())
        recording.ended_s = time.time()
        return recording

    def _take(self, call: Call, replay: Replay, recording: Recording) -> None:
        launches = len(recording.disk.launches)
        if (
            call.name == "write"
            and b'"request"' in call.text(1)[:2000]
            and call.open_path(0).is_relative_to(self.state)
        ):
            with suppress(ValueError):
                report = json.loads(call.text(1) + b"]}")  # what is before the nodes is a piece of its own
                part = report["request"]
                known = Identity(part["inode"], part["mtime_ns"], part["size"], part["sha256"])
                recording.requests.setdefault(report["id"], known)
        replay.take(call)
        if len(recording.disk.launches) > launches:
            recording.launched.append((recording.disk.launches[-1], max(recording.requests)))

    def _replay(self, deed: Deed, replay: Replay, recording: Recording) -> None:
        disk = recording.disk
        key = disk.live.find(self.markers / deed.name)
        assert key is not None
        if deed.number is None:
            replay.produce(Operation((key,), None, by_producer=True), deed.now_ns)
            recording.removed.append(disk.moments)
            return
        inode = next((index for index, one in disk.live.inodes.items() if one.number == deed.number), None)
        if deed.is_again and inode is not None:
            replay.produce(Operation((key,), inode, by_producer=True), deed.now_ns)
        elif deed.is_entry or inode is None:
            made = Inode(mtime_ns=deed.mtime_ns - 1000 if deed.content else deed.mtime_ns, number=deed.number)
            inode = disk.new_inode(made)
            replay.produce(Operation((key,), inode, by_producer=True), deed.now_ns)
        if deed.content or not deed.is_entry:
            offset = 0 if deed.is_entry else None
            content = deed.content or b""
            change = Operation(((inode, CONTENT),), None, offset, content, deed.mtime_ns, by_producer=True)
            replay.produce(change, deed.now_ns)
        if deed.name == REQUEST:
            recording.asked.append((disk.moments, deed.identity))
        else:
            recording.cancelled.append(disk.moments)

    def end_scripts(self) -> None:
        """End what the daemon leaves running, with all that belongs to it, as the host's death does."""
        for started in self.state.glob("deployments/*/started"):
            record = json.loads(started.read_bytes())
            for name in ("supervisor_pid", "script_pid"):
                with suppress(ProcessLookupError, KeyError):
                    if start_ticks(record[name]) == record[name.replace("pid", "start_ticks")]:
                        os.kill(record[name], signal.SIGKILL)

    def _await_logs(self) -> None:
        """Wait until nobody writes a log any more: what is recorded has ended, and strace after it."""
        for log in self._logs:
            ends_s = time.monotonic() + 10
            while mentioning(str(log)):
                assert time.monotonic() < ends_s, "strace does not end"
                time.sleep(0.01)

    def _snapshot(self) -> Tree:
        """Return what was there before anything is recorded: it counts as durable."""
        tree = Tree()
        for root in (self.markers, self.state):
            tree.roots[root] = self._add(tree, root)
        return tree

    def _add(self, tree: Tree, path: Path) -> int:
        number = len(tree.inodes) + 1
        if not path.is_dir():
            status = path.stat()
            tree.inodes[number] = Inode(path.read_bytes(), status.st_mtime_ns, number=status.st_ino)
            return number
        tree.inodes[number] = Inode(is_folder=True, number=path.stat().st_ino)
        for entry in sorted(path.iterdir()):
            tree.names[number, entry.name] = self._add(tree, entry)
        return number
