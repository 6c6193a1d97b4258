"""Reads the nodes folder: which files are readable, and are their writers done?"""

import asyncio
import errno
import logging
import os
import threading
import time
from itertools import islice
from pathlib import Path

from pinakad.events import Event, fields
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.node_file import number_of
from pinakad.nodes.reading import ParsedNodeFile, read_file, unreadable
from pinakad.nodes.selection import ignored_text
from pinakad.printable import cause_of, printable
from pinakad.problems import Code, Severity

log = logging.getLogger(__name__)

MAX_IGNORED = 5
MAX_LOGGED = 100
"""How many problems of files, and how many names that are ignored, are logged with a line each."""
STILL_S = 1.0
WRITERS_LIMIT_S = 10.0
MAX_FILES = 100_000
MAX_TOTAL_BYTES = 128 << 20
"""A limit of the memory that a folder costs, about ten times as much: hard links make one large file many files."""
_TOO_MUCH = f"it has more than {MAX_FILES} node files, or more than {MAX_TOTAL_BYTES >> 20} MiB of them"
_RESCAN_S = 0.1
_SCAN_LIMIT_S = 0.5
"""One scan counts as at most this much of the limits: the time in which a suspended machine slept does not count."""
_RACY_NS = (
    100_000_000  # a file read this soon after a change may change again within the same clock tick, with the same times
)
_State = tuple[int, int, int, int, int]


class NodesFolder:
    """One nodes folder. The content of a file is kept until the file changes; nothing is ever written to the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()  # read in threads: when files arrive, and when a request starts
        self._known: dict[str, tuple[_State, ParsedNodeFile]] = {}
        self._allowed = False
        self._logged: set[tuple[str, str]] = set()
        self._logged_names: set[str] | None = set()
        """The ignored names that were logged; None: one line said that they are too many."""
        self.ignored: list[str] = []
        """Up to MAX_IGNORED names of the last scan that look like misspelled names of node files."""

    def scan(self, *, allow_loopback: bool) -> list[ParsedNodeFile]:
        """Read new and changed files, and return all node files.

        Raises OSError where the folder is unreadable or holds too much.
        """
        with self._lock:
            known = self._known if allow_loopback == self._allowed else {}
            found: dict[str, tuple[_State, ParsedNodeFile]] = {}
            strange, ignored = _FirstNames(MAX_LOGGED), _FirstNames(MAX_IGNORED)
            left = MAX_TOTAL_BYTES
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if number_of(entry.name) is None:
                        if entry.name.endswith(".json"):
                            strange.add(entry.name)
                        if _may_be_meant(entry.name):
                            ignored.add(entry.name)
                        continue
                    read = _read(entry, known.get(entry.name), allow_loopback=allow_loopback)
                    if read is not None:
                        found[entry.name] = read
                        left -= len(read[1].raw)
                    if left < 0 or len(found) > MAX_FILES:
                        self._known = {}
                        raise OSError(errno.EFBIG, _TOO_MUCH, str(self.folder))
            self._known, self._allowed = found, allow_loopback
            self.ignored = ignored.names()
            self._log_strange(strange)
            return [read for _, read in found.values()]

    def log_problems(self) -> None:
        """Log at most MAX_LOGGED problems of the files that arrived or changed since the last call."""
        files = [read for _, read in self._known.values()]
        new = (problem for read in files if (read.name, read.sha256) not in self._logged for problem in read.problems)
        for problem in islice(new, MAX_LOGGED):
            level = logging.ERROR if problem.severity is Severity.ERROR else logging.WARNING
            extra = fields(Event.PROBLEM, node_file=problem.file, reason=problem.code)
            log.log(level, "%s", problem.line(), extra=extra)
        more = sum(1 for _ in new)
        if more:
            text = "%d more problems of node files; pinakactl validate tells all"
            log.warning(text, more, extra=fields(Event.PROBLEM))
        self._logged = {(read.name, read.sha256) for read in files}

    async def read_for_good(self, *, allow_loopback: bool) -> list[ParsedNodeFile] | str:
        """Return all node files once their writers are done, or the reason why the folder cannot be read.

        A file that does not parse is read again until the folder has not changed for STILL_S, for at most
        WRITERS_LIMIT_S.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + WRITERS_LIMIT_S
        still_since_s, state = loop.time(), None
        scanned_s = loop.time()
        while True:
            try:
                files, cause = await asyncio.to_thread(self.scan, allow_loopback=allow_loopback), ""
            except OSError as error:
                files, cause = [], cause_of(error)
            now_s = loop.time()
            away_s = max(
                0.0, now_s - scanned_s - _SCAN_LIMIT_S
            )  # the writers were suspended together with this process
            deadline_s, still_since_s, scanned_s = deadline_s + away_s, still_since_s + away_s, now_s
            if now_s >= deadline_s:
                return cause or files
            if not cause and not any(file.half_written for file in files):
                return files
            if state != self._state():
                still_since_s, state = now_s, self._state()
            if not cause and now_s - still_since_s >= STILL_S:
                return files
            await asyncio.sleep(_RESCAN_S)

    def _state(self) -> dict[str, _State]:
        return {name: state for name, (state, _) in self._known.items()}

    def _log_strange(self, strange: "_FirstNames") -> None:
        """Log each new ignored name; above MAX_LOGGED names log one line, until there are fewer again."""
        names = strange.names()
        if strange.count > MAX_LOGGED:
            if self._logged_names is not None:
                text = ignored_text(names[:MAX_IGNORED], strange.count - MAX_IGNORED)
                log.warning("%s", text, extra=fields(Event.PROBLEM))
            self._logged_names = None
            return
        for name in names:
            if name not in (self._logged_names or ()):
                log.warning("%s", ignored_text([name]), extra=fields(Event.PROBLEM, node_file=printable(name)))
        self._logged_names = set(names)


class _FirstNames:
    """Keeps the first names in sorted order and counts all of them: a folder may hold any number."""

    def __init__(self, limit: int) -> None:
        self.count = 0
        self._limit = limit
        self._names: list[str] = []

    def add(self, name: str) -> None:
        self.count += 1
        self._names.append(name)
        if len(self._names) > 2 * self._limit:
            self._names = self.names()

    def names(self) -> list[str]:
        return sorted(self._names)[: self._limit]


def _may_be_meant(name: str) -> bool:
    """Return whether a name that is not a node file's resembles one; hidden names are drafts of the writers."""
    lower = name.lower()
    return not name.startswith(".") and (".json" in lower or lower.startswith("node"))


def _read(
    entry: "os.DirEntry[str]", known: tuple[_State, ParsedNodeFile] | None, *, allow_loopback: bool
) -> tuple[_State, ParsedNodeFile] | None:
    try:
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    state = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_ctime_ns, status.st_mode)
    now_ns = time.time_ns()
    if known is not None and known[0] == state:
        return known
    if now_ns - max(status.st_ctime_ns, status.st_mtime_ns) < _RACY_NS:
        state = (*state[:4], -1)  # never equal: read again next time
    try:
        return state, _read_one(entry, allow_loopback=allow_loopback)
    except FileNotFoundError:
        return None


def _read_one(entry: "os.DirEntry[str]", *, allow_loopback: bool) -> ParsedNodeFile:
    try:
        raw = read_regular(Path(entry.path), strict_json.MAX_BYTES)
    except NotRegularError:
        text = "a node file must be a regular file, not a folder, a link or the like"
        return unreadable(entry.name, Code.NOT_A_FILE, text)
    except FileNotFoundError:
        raise
    except OSError as error:
        text = f"cannot read the file: {cause_of(error)}"
        return unreadable(entry.name, Code.UNREADABLE, text)
    return read_file(entry.name, raw, allow_loopback=allow_loopback)
