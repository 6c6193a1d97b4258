"""Where a script's output goes: script.log, the journal, both, or nowhere. The script never waits for it.

A part of the supervisor's program (bundle.py): the standard library only, and little of it.
"""

from __future__ import annotations

import os
import select
import time

from pinakad.script.records import create

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

LOG = "script.log"
_CHUNK = 65536
_ROOM = 16 << 20  # left on the disk for what must be written down: how the script ended, the report, the answer
_JOURNAL = "/run/systemd/journal/stdout"
_JOURNAL_NAME = "pinakad-script"


class Output:
    """The output of one script. `kind`: `file`, `journal` or `null`; with `journal_too` a file's goes to both.

    `written` and `dropped` count bytes: of the file, where there is one.
    """

    def __init__(self, kind: str, folder: str, limit: int, *, journal_too: bool = False) -> None:
        self._file = _LogFile(f"{folder}/{LOG}", limit) if kind == "file" else None
        to_journal = kind == "journal" or (kind == "file" and journal_too)
        self._journal = _Journal(_JOURNAL_NAME) if to_journal else None

    @property
    def written(self) -> int:
        """Return the bytes that were kept."""
        counted = self._file or self._journal
        return counted.written if counted else 0

    @property
    def dropped(self) -> int:
        """Return the bytes that were not kept."""
        counted = self._file or self._journal
        return counted.dropped if counted else 0

    def write(self, data: bytes) -> None:
        """Take all of `data`, and keep what there is room for."""
        if self._file:
            self._file.write(data)
        if self._journal:
            self._journal.write(data)

    def drain_until_exit(self, pipe: int, ended: int) -> None:
        """Read the script's end of the pipe until the process of the pidfd `ended` has exited.

        All that it wrote before that is read.
        """
        watch = select.poll()
        watch.register(pipe, select.POLLIN)
        watch.register(ended, select.POLLIN)
        while True:
            ready = dict(watch.poll())
            if pipe in ready:
                data = os.read(pipe, _CHUNK)
                if data:
                    self.write(data)
                    if ended not in ready:
                        continue
                else:
                    watch.unregister(pipe)
            if ended in ready:
                break

    def drain_what_is_left(self, pipe: int) -> None:
        """Read what is in the pipe now, and no more: children that write on must not keep the exit status back."""
        os.set_blocking(pipe, False)
        for _ in range(64):  # more than a pipe holds
            try:
                data = os.read(pipe, _CHUNK)
            except BlockingIOError:
                break
            if not data:
                break
            self.write(data)

    def drain_for(self, seconds: float, pipe: int) -> None:
        """Wait so many seconds, and read on: what the script left running must not block on its output."""
        ends_s = time.monotonic() + seconds
        watch = select.poll()
        watch.register(pipe, select.POLLIN)
        while (left_s := ends_s - time.monotonic()) > 0:
            if watch.poll(left_s * 1000):
                data = os.read(pipe, _CHUNK)
                if not data:
                    time.sleep(left_s)
                    return
                self.write(data)

    def drain_to_the_end(self, pipe: int) -> None:
        """Read on for what the script left running: a closed pipe would kill it."""
        os.set_blocking(pipe, True)
        while data := os.read(pipe, _CHUNK):
            self.write(data)


class _LogFile:
    """script.log: ends at `limit` bytes or where the disk does, and says so; the writer is never held up."""

    def __init__(self, path: str, limit: int) -> None:
        self.limit = limit
        self.written = self.dropped = self.lost = 0
        self.said_full = False
        self.descriptor: int | None = None
        try:
            self.descriptor = create(path, 0o640)
            os.fchown(self.descriptor, -1, os.stat(os.path.dirname(path)).st_gid)  # the daemon may read root's file
        except OSError:
            pass  # nothing is kept then, and `exit` counts what was dropped

    def write(self, data: bytes) -> None:
        """Take all of `data`, and keep what there is room for."""
        room = max(0, self.limit - self.written)
        kept = self._keep(data[:room]) if room else 0
        if len(data) > room and not self.said_full:
            self.said_full = True
            self._keep(f"\n[pinakad: the output past {self.limit} bytes is dropped]\n".encode())
        self.written += kept
        self.dropped += len(data) - kept

    def _keep(self, data: bytes) -> int:
        if self.descriptor is None:
            return 0
        if self.lost:
            note = f"\n[pinakad: {self.lost} bytes of output were dropped: no room on the disk]\n".encode()
            if not self._try(note):
                self.lost += len(data)
                return 0
            self.lost = 0
        kept = self._try(data)
        self.lost += len(data) - kept
        return kept

    def _try(self, data: bytes) -> int:
        try:
            return os.write(self.descriptor, data) if self.descriptor is not None and self._has_room() else 0
        except OSError:
            return 0

    def _has_room(self) -> bool:
        """Tell whether there is room; a file system of unknown size (statvfs(3)) is written until it refuses."""
        disk = os.statvfs(self.descriptor or 0)
        return disk.f_blocks == 0 or disk.f_bavail * disk.f_frsize >= _ROOM


class _Journal:
    """The journal, by the stream that systemd gives services (systemd-journald.service(8))."""

    def __init__(self, identifier: str) -> None:
        self.written = self.dropped = 0
        self.away_until = 0.0
        self.identifier = identifier
        self.socket: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """Send `data`; what journald does not take in time is dropped, and so is what follows for a while."""
        for _ in range(2):
            if time.monotonic() < self.away_until:
                break
            try:
                if self.socket is None:
                    self.socket = self._connect()
                self.socket.sendall(data)
            except TimeoutError:
                self.socket = None
                self.away_until = time.monotonic() + 10
            except OSError:  # journald was restarted: once more on a new connection
                self.socket = None
            else:
                self.written += len(data)
                return
        self.dropped += len(data)

    def _connect(self) -> socket.socket:
        import socket  # noqa: PLC0415 - `main` has it where there is a journal

        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.settimeout(1)
        stream.connect(_JOURNAL)
        stream.sendall(f"{self.identifier}\n\n6\n0\n0\n0\n0\n".encode())
        return stream
