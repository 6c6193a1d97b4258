"""Turns file system events into one wake-up: has anything happened in the folders?

An event is only a hint. The handler sets a flag and does no more, because an exception in it would end the library's
thread for good; the truth is what a scan of the folder finds. A canary proves that events still arrive.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from pinakad.events import Event, fields
from pinakad.linux.files import write_new
from pinakad.linux.threads import are_left
from pinakad.printable import cause_of

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver, ObservedWatch

log = logging.getLogger(__name__)

CANARY_EVERY_S = 60.0
CANARY_LIMIT_S = 4.0
_MAX_CLOSED = 1000
_FOR_OTHERS = 5
"""Threads and processes that are kept free: a login needs three, its worker's among them; script and supervisor two."""
# neither opened nor closed-no-write: our own reading of a file would cause wake-ups for ever
_TYPES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileAttribEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
_FolderId = tuple[int, int]


class Watch:
    """Watches folders, and watches them again when they come back.

    `folders` maps each folder to the callback that is called, on the loop's thread, when something happens in it.
    `ours` is the prefix of the names that pinakad writes itself: these cause no call, but for those that begin with a
    key of `questions`, which cause the call of that one. `canary` is a folder of our own.
    """

    def __init__(
        self,
        canary: Path,
        ours: str,
        folders: Mapping[Path, Callable[[], None]],
        questions: Mapping[str, Callable[[], None]] | None = None,
    ) -> None:
        self._canary = canary
        self._ours = ours
        self._folders = folders
        self._questions = questions or {}
        self._loop = asyncio.get_running_loop()
        self._observer: BaseObserver | None = None
        self._watched: dict[Path, tuple[_FolderId, ObservedWatch]] = {}
        self._troubles: dict[Path, str] = {}
        self._closed: set[str] = set()
        self._created: set[str] = set()
        self._woken: set[Path] = set()
        self._proof = _Canary(canary)

    def start(self) -> None:
        """Start the library; `ensure` then watches the folders, and starts it again where that failed."""
        logging.getLogger("watchdog.observers.inotify").addFilter(_is_news)
        try:
            _leave_some(1)
            observer = Observer()
            observer.start()
        except (OSError, RuntimeError) as error:
            self._note_trouble(self._canary, f"cannot watch anything: {cause_of(error)}")
        else:
            self._observer = observer

    def stop(self) -> None:
        """Stop watching; the threads of the library end by themselves."""
        with suppress(RuntimeError, OSError):
            if self._observer is not None:
                self._observer.stop()

    @property
    def trusted(self) -> bool:
        """Whether events arrive; otherwise rescans have taken over."""
        return self._proof.alive and not self._troubles

    @property
    def trouble(self) -> str:
        """Why no events arrive, for people; empty where they do."""
        return next(iter(self._troubles.values()), "" if self._proof.alive else "no event comes any more")

    def was_closed(self, name: str) -> bool:
        """Return whether since the last call a file of this name was closed by a writer, or moved into a folder."""
        with suppress(KeyError):
            self._closed.remove(name)
            return True
        return False

    def is_created(self, name: str) -> bool:
        """Return whether a file of this name was created, and neither closed nor moved in since."""
        return name in self._created

    def ensure(self) -> None:
        """Watch each folder that exists now; a folder that was replaced is watched again."""
        if self._observer is None:
            self.start()
        if self._observer is not None:
            for folder in (self._canary, *self._folders):
                self._ensure(self._observer, folder)
            self._proof.send_when_due(self._loop.time())

    def _ensure(self, observer: "BaseObserver", folder: Path) -> None:
        place = _folder_id(folder)
        known = self._watched.get(folder)
        if known is not None and known[0] == place:
            return
        self._forget(folder)
        if isinstance(place, str):
            self._note_trouble(folder, f"cannot watch '{folder}': {place}")
            return
        try:
            _leave_some(2)  # the library's emitter, and its reader
            handler = _Handler(lambda event: self._note(folder, event))
            watch = observer.schedule(handler, os.path.realpath(folder), event_filter=_TYPES)
        except (OSError, RuntimeError) as error:
            self._note_trouble(folder, f"cannot watch '{folder}': {cause_of(error)}")
            return
        self._watched[folder] = (place, watch)
        if self._troubles.pop(folder, None) is not None:
            log.info("'%s' is watched again", folder, extra=fields(Event.WATCH))
        self._wake_up(folder)  # watch first, then scan: an event before the watch is found by the scan

    def _forget(self, folder: Path) -> None:
        known = self._watched.pop(folder, None)
        if known is not None and self._observer is not None:
            with suppress(KeyError, OSError, RuntimeError):
                self._observer.unschedule(known[1])

    def _note_trouble(self, folder: Path, text: str) -> None:
        if self._troubles.get(folder) != text:
            self._troubles[folder] = text
            log.warning("%s; rescans have taken over", text, extra=fields(Event.WATCH))

    def _note(self, folder: Path, event: FileSystemEvent) -> None:
        """Run on the library's thread: leave a hint and wake the loop, at most once until the callback has run."""
        if folder == self._canary:
            self._proof.came_s = self._loop.time()
            return
        if event.event_type == "deleted" and event.is_directory:
            self._loop.call_soon_threadsafe(self._folder_went, folder, os.fsdecode(event.src_path))
        name = Path(os.fsdecode(event.dest_path or event.src_path)).name
        if name.startswith(self._ours):
            self._note_question(name, event)
            return
        if event.event_type == "created" and len(self._created) < _MAX_CLOSED:
            self._created.add(name)
        elif event.event_type in ("closed", "moved", "deleted"):
            self._created.discard(name)
        if event.event_type in ("closed", "moved"):
            if (
                len(self._closed) >= _MAX_CLOSED
            ):  # names that nothing asks for; a request that is forgotten here waits 200 ms
                self._closed.clear()
            self._closed.add(name)
        if folder not in self._woken:
            self._woken.add(folder)
            self._loop.call_soon_threadsafe(self._wake_up, folder)

    def _note_question(self, name: str, event: FileSystemEvent) -> None:
        if event.event_type not in ("closed", "moved", "created"):
            return
        for prefix, callback in self._questions.items():
            if name.startswith(prefix):
                self._loop.call_soon_threadsafe(callback)

    def _wake_up(self, folder: Path) -> None:
        self._woken.discard(folder)
        if folder in self._folders:
            self._folders[folder]()

    def _folder_went(self, folder: Path, path: str) -> None:
        """Forget the watch of a removed folder, as a new one may get the same inode; the next `ensure` watches it."""
        if Path(path).name == folder.resolve().name:
            self._forget(folder)


def _leave_some(wanted: int) -> None:
    """Raise RuntimeError, as the library does, where `wanted` threads would be the last ones: a rescan needs none."""
    if not are_left(wanted + _FOR_OTHERS):
        raise RuntimeError("hardly any thread is left")


class _Canary:
    """Proves that events arrive: a file that is written regularly into a folder of our own must be reported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sent_s: float | None = None
        self.came_s: float | None = None
        """When the canary was reported last, on the loop's clock; written by the library's thread."""
        self.alive = True

    def send_when_due(self, now_s: float) -> None:
        """Judge by the last canary, and write the next one where it is due."""
        if self._sent_s is not None and (self.came_s is None or self.came_s < self._sent_s):
            if now_s - self._sent_s < CANARY_LIMIT_S:
                return
            self._set_alive(alive=False)
        elif self._sent_s is not None:
            self._set_alive(alive=True)
        if self._sent_s is None or now_s - self._sent_s >= CANARY_EVERY_S or not self.alive:
            with suppress(OSError):
                write_new(self._folder / "canary", b"", 0o644, durable=False)
                self._sent_s = now_s

    def _set_alive(self, *, alive: bool) -> None:
        if alive != self.alive:
            self.alive = alive
            if alive:
                log.info("file system events come again", extra=fields(Event.WATCH))
            else:
                log.warning("no file system event comes; rescans have taken over", extra=fields(Event.WATCH))


class _Handler(FileSystemEventHandler):
    """Passes each event on; an error of a closed loop is suppressed."""

    def __init__(self, note: Callable[[FileSystemEvent], None]) -> None:
        self._note = note

    def dispatch(self, event: FileSystemEvent) -> None:
        """Pass one event on. The loop may be closed already: then the event is not needed."""
        with suppress(RuntimeError):
            self._note(event)


def _is_news(record: logging.LogRecord) -> bool:
    """Return whether a log line of the library matters. A thread of the library that is stopped just before it waits
    for events logs that as an error (watchdog 7.1, `InotifyEmitter.queue_events`), and ends all the same.
    """
    return not record.getMessage().endswith("called when the thread is inactive")


def _folder_id(folder: Path) -> _FolderId | str:
    """Return device and inode of the folder at the path, or the reason why it cannot be watched."""
    try:
        status = folder.stat()
        os.close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return cause_of(error)
    return status.st_dev, status.st_ino
