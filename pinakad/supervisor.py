"""How does the script's exit status survive the daemon? By this small program, which outlives it.

It is one file of the standard library only. The daemon hands it to the interpreter by a descriptor, as it was when the
daemon started: an upgrade cannot pull it away, and nobody can exchange it. It is started before it is needed, because
that takes longer than what is left to do until the launch. Its acts, in this order:

1. fork the script's process, which waits;
2. wait for the daemon's word on stdin; the end of it means that there is no launch: give up;
3. make `started` visible, complete and durable, with both pids; link(2) fails where another was first: then give up;
4. let the script go; hold the lock on `started` as long as this process lives;
5. read the script's output to its end, whatever becomes of it;
6. leave `exit`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import sys
import time

# The script waits for these imports: json, contextlib, enum (of signal) and typing would double them. And nothing may
# be imported after the launch: an upgrade of the host can take the library away while the script runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    import socket
    from collections.abc import Callable
    from typing import Any, NoReturn
else:
    import _signal as signal  # what `signal` gives its enums to

STARTED = "started"
EXIT = "exit"
LOG = "script.log"
GO = b"g"
OWN_PROGRAM = "/proc/self/fd/{}"  # how this program is named to the interpreter
TOMBSTONE = '{"schema": 1, "tombstone": true}'  # in place of `started`: it never will be
GAVE_UP = 3
NOT_RECORDED = 4
CHILD_GONE = 5
_CHUNK = 65536
_ROOM = 16 << 20  # left on the disk for what must be written down: how the script ended, the report, the answer
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_TRIES = 300  # one a second
_JOURNAL = "/run/systemd/journal/stdout"
_NUMBERS = ("log_max_bytes", "open_files")
_WORDS = ("folder", "id", "script", "cwd", "output", *_NUMBERS)


def boot_id() -> str:
    """Return the id of the host's boot (random(4)).

    The unit tells it to the daemon: in a container, the sandbox's own /proc shows the outer host's.
    """
    told = os.environ.get("PINAKAD_BOOT_ID", "")
    if told:  # systemd.unit(5), %b: 32 digits
        return "-".join((told[:8], told[8:12], told[12:16], told[16:20], told[20:]))
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since the boot (proc(5), field 22 of stat), None for no process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def words_of(spec: dict[str, Any]) -> list[str]:
    """Return the command line that gives a `spec` to this program."""
    environment = (f"{name}={value}" for name, value in spec["environment"].items())
    return [*(str(spec[name]) for name in _WORDS), *environment]


def _spec_of(words: list[str]) -> dict[str, Any]:
    spec: dict[str, Any] = dict(zip(_WORDS, words))  # noqa: B905 - what follows is the environment
    numbers = {name: int(spec[name]) for name in _NUMBERS}
    pairs = dict(entry.split("=", 1) for entry in words[len(_WORDS) :])
    return spec | numbers | {"environment": pairs}


def claim(folder: str, record: str) -> int:
    """Make `started` visible: whole, durable, and only once. `record`: JSON. Return the locked descriptor.

    Raises FileExistsError where another was first, OSError where it cannot be written.
    """
    draft = f"{folder}/.started.{os.getpid()}.{time.monotonic_ns()}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.fchmod(descriptor, 0o644)  # not before: who can open it can lock it, and would hold us up
        _write(descriptor, (record + "\n").encode())
        os.fsync(descriptor)
        os.link(draft, f"{folder}/{STARTED}")
        _sync(folder)
    except BaseException:
        os.close(descriptor)
        raise
    finally:
        os.unlink(draft)
    return descriptor


def leave_exit(folder: str, record: str, wait: Callable[[float], None]) -> None:
    """Write `exit`; a full disk is waited out, because nobody else knows how the script ended.

    What else is in the way is waited out for some minutes.
    """
    draft, tries = f"{folder}/.exit.new", _TRIES
    while tries > 0:
        try:
            descriptor = _create(draft, 0o644)
            try:
                _write(descriptor, (record + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _rename(draft, f"{folder}/{EXIT}")
            _sync(folder)
        except FileNotFoundError:
            return  # the folder is gone, and with it everybody who could ask
        except OSError as error:
            tries -= error.errno not in _NO_ROOM
            wait(1.0)
        else:
            return


class FileSink:
    """script.log: ends at `limit` bytes or where the disk does, and says so; the writer is never held up."""

    def __init__(self, path: str, limit: int) -> None:
        self.limit = limit
        self.written = self.dropped = self.lost = 0
        self.said_full = False
        self.descriptor: int | None = None
        try:
            self.descriptor = _create(path, 0o640)
            os.fchown(self.descriptor, -1, os.stat(os.path.dirname(path)).st_gid)  # the daemon may read root's file
        except OSError:
            pass  # nothing is kept then, and that is told in `exit`

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
        """A file system that does not tell its size (statvfs(3)) is written until it refuses."""
        disk = os.statvfs(self.descriptor or 0)
        return disk.f_blocks == 0 or disk.f_bavail * disk.f_frsize >= _ROOM


class JournalSink:
    """The journal, by the stream that systemd gives services (systemd-journald.service(8))."""

    def __init__(self, identifier: str) -> None:
        self.written = self.dropped = 0
        self.away_until = 0.0
        self.identifier = identifier
        self.socket: socket.socket | None = None

    def write(self, data: bytes) -> None:
        """Send `data`; what journald does not take in time is dropped, and for a while what follows it too."""
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


class BothSinks:
    """script.log, and the journal of the unit beside it; what counts as kept is what the file has."""

    def __init__(self, file: FileSink, journal: JournalSink) -> None:
        self.file, self.journal = file, journal

    @property
    def written(self) -> int:
        """Return the bytes in the file."""
        return self.file.written

    @property
    def dropped(self) -> int:
        """Return the bytes that the file does not have."""
        return self.file.dropped

    def write(self, data: bytes) -> None:
        """Send `data` to both."""
        self.file.write(data)
        self.journal.write(data)


class NullSink:
    """Nowhere."""

    def __init__(self) -> None:
        self.written = self.dropped = 0

    def write(self, data: bytes) -> None:
        """Forget `data`."""


Sink = FileSink | JournalSink | BothSinks | NullSink


def sink_for(spec: dict[str, Any]) -> Sink:
    """Return where the output goes: `file` (in a unit of its own to the unit's journal too), `journal` or `null`."""
    if spec["output"] == "null":
        return NullSink()
    if spec["output"] == "journal":
        return JournalSink("pinakad-script")
    file = FileSink(f"{spec['folder']}/{LOG}", spec["log_max_bytes"])
    return BothSinks(file, JournalSink("pinakad-script")) if spec.get("journal_too") else file


def main(
    spec: dict[str, Any],
    may_go: Callable[[], bool] = lambda: True,
    is_moot: Callable[[], bool] = lambda: False,
    on_ended: Callable[[], None] = lambda: None,
) -> int:
    """Run the script of `spec`: folder, id, script, cwd, environment, output, log_max_bytes. Return an exit code.

    Where they are told: `open_files` is the script's soft limit of open files; `journal_too` sends what goes to
    script.log to the journal as well.
    `may_go`: returns when it is known whether there is a launch at all.
    `is_moot`: asked when the script did not end well; if so, the host took it down with itself, and no `exit` is left.
    `on_ended`: called when `exit` is there; what the script left running may live on.
    """
    _fill_standard_streams()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if spec["output"] == "journal" or spec.get("journal_too"):
        import socket  # noqa: F401, PLC0415 - it takes its time, and later it may be gone
    folder = spec["folder"]
    gate, go = os.pipe()
    output, inlet = os.pipe()
    pid = os.fork()
    if pid == 0:
        _script_process(spec, gate, go, inlet)
    os.close(gate)
    os.close(inlet)
    if not may_go():
        _call_off(pid, go)
        return GAVE_UP
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
        os.close(go)
        return CHILD_GONE  # somebody killed it while it waited: nothing has happened yet, and another may try
    try:
        lock = claim(folder, _started_record(spec["id"], pid))
    except OSError as error:
        _call_off(pid, go)
        if error.errno == errno.EEXIST:
            return GAVE_UP
        print(f"pinakad supervisor: cannot record the start in '{folder}': {error.strerror}", file=sys.stderr)
        return NOT_RECORDED
    sink = sink_for(spec)
    try:
        os.write(go, GO)
    except BrokenPipeError:
        pass  # it was killed while it waited: its status tells
    os.close(go)
    status = _drain_until_exit(pid, output, sink)
    if status != 0 and is_moot():
        return 0
    leave_exit(folder, _exit_record(status, sink), lambda seconds: _drain_for(seconds, output, sink))
    on_ended()
    _drain_to_the_end(output, sink)
    os.close(lock)
    return 0


def _fill_standard_streams() -> None:
    """Where one of 0, 1, 2 is closed, a pipe would get its number, and lose it to the script's streams."""
    while (descriptor := os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)) <= 2:  # noqa: PLR2004 - stderr
        pass
    os.close(descriptor)


def _call_off(pid: int, go: int) -> None:
    """The waiting process sees the end of its pipe and goes without having run anything."""
    os.close(go)
    os.waitpid(pid, 0)


def _script_process(spec: dict[str, Any], gate: int, go: int, inlet: int) -> NoReturn:
    """Wait to be let go, then become the script. The end of the pipe means that nobody could record it: never run."""
    try:
        os.close(go)
        os.setsid()
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        null = os.open("/dev/null", os.O_RDONLY)
        for source, target in ((null, 0), (inlet, 1), (inlet, 2)):
            os.dup2(source, target)
        os.umask(0o022)
        if "open_files" in spec:
            _limit_open_files(spec["open_files"])
        if os.read(gate, 1) != GO:
            os._exit(GAVE_UP)
        os.chdir(spec["cwd"])  # not before: it may have been exchanged since
        os.execve("/bin/bash", ["/bin/bash", spec["script"]], spec["environment"])
    except OSError as error:
        os.write(2, f"pinakad: cannot run '{spec['script']}' in '{spec['cwd']}': {error.strerror}\n".encode())
    finally:
        os._exit(126)


def _limit_open_files(number: int) -> None:
    """Take back what the daemon allowed itself: select(2) in a script knows no file past 1023."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    except ValueError:
        pass  # the hard limit was lowered below that meanwhile: then it is as low already


def _started_record(identifier: str, pid: int) -> str:
    return _as_json(
        {
            "schema": 1,
            "id": identifier,
            "supervisor_pid": os.getpid(),
            "supervisor_start_ticks": start_ticks(os.getpid()),
            "script_pid": pid,
            "script_start_ticks": start_ticks(pid),
            **_this_moment(),
        }
    )


def _exit_record(status: int, sink: Sink) -> str:
    code = os.waitstatus_to_exitcode(status)
    return _as_json(
        {
            "schema": 1,
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            **_this_moment(),
            "log_bytes": sink.written,
            "dropped_bytes": sink.dropped,
        }
    )


def _this_moment() -> dict[str, Any]:
    return {"boot_id": boot_id(), "boot_s": time.clock_gettime(time.CLOCK_BOOTTIME), "wall_s": time.time()}


def _as_json(record: dict[str, Any]) -> str:
    """Return JSON. What we record are numbers, None and ids, which need no escape: letters, digits, `.` and `-`."""
    return "{" + ", ".join(f'"{name}": {_shown(value)}' for name, value in record.items()) + "}"


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return "null" if value is None else str(value)


def _drain_until_exit(pid: int, output: int, sink: Sink) -> int:
    """Read the output until the script has exited; what it wrote before that is all read. Return its wait status."""
    watch = select.poll()
    watch.register(output, select.POLLIN)
    ended = os.pidfd_open(pid)
    watch.register(ended, select.POLLIN)
    while True:
        ready = dict(watch.poll())
        if output in ready:
            data = os.read(output, _CHUNK)
            if data:
                sink.write(data)
                if ended not in ready:
                    continue
            else:
                watch.unregister(output)
        if ended in ready:
            break
    os.close(ended)
    _, status = os.waitpid(pid, 0)
    os.set_blocking(output, False)
    for _ in range(64):  # more than a pipe holds: children that write on must not keep the exit status back
        try:
            data = os.read(output, _CHUNK)
        except BlockingIOError:
            break
        if not data:
            break
        sink.write(data)
    return status


def _drain_for(seconds: float, output: int, sink: Sink) -> None:
    """Wait so long, and read on meanwhile: what the script left running must not block on its output."""
    ends_s = time.monotonic() + seconds
    watch = select.poll()
    watch.register(output, select.POLLIN)
    while (left_s := ends_s - time.monotonic()) > 0:
        if watch.poll(left_s * 1000):
            data = os.read(output, _CHUNK)
            if not data:
                time.sleep(left_s)
                return
            sink.write(data)


def _drain_to_the_end(output: int, sink: Sink) -> None:
    """Read on for what the script left running: a closed pipe would kill it."""
    os.set_blocking(output, True)
    while data := os.read(output, _CHUNK):
        sink.write(data)


def _create(path: str, mode: int) -> int:
    """Make a file that nobody else has open, in place of what stood there, which is never followed nor written."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except IsADirectoryError:
        _put_aside(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    os.fchmod(descriptor, mode)  # whatever the umask says
    return descriptor


def _rename(source: str, target: str) -> None:
    """Rename a file, whatever stands at `target`."""
    try:
        os.rename(source, target)
    except IsADirectoryError:
        _put_aside(target)
        os.rename(source, target)


def _put_aside(path: str) -> None:
    """Give another name to a folder that stands where a file of ours belongs: there is no telling what is in it."""
    os.rename(path, f"{path}.{time.monotonic_ns()}")


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _close_own_program(name: str) -> None:
    """The script must not inherit the descriptor that this program was read from."""
    before, after = OWN_PROGRAM.split("{}")
    number = name.removeprefix(before).removesuffix(after)
    if number.isdigit():
        os.close(int(number))


if __name__ == "__main__":
    _close_own_program(sys.argv[0])
    sys.exit(main(_spec_of(sys.argv[1:]), may_go=lambda: os.read(0, 1) == GO))
