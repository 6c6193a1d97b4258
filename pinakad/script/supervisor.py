"""How does the script's exit status survive the daemon? By this small program, which outlives it.

It is one file of the standard library only. The daemon hands it to the interpreter by a descriptor, as it was when the
daemon started: an upgrade cannot pull it away, and nobody can exchange it. It is started before it is needed, because
that takes longer than what is left to do until the launch. Its acts, in this order:

1. fork the script's process, which waits;
2. wait for the daemon's word on stdin; the end of it means that there is no launch: give up;
3. make `started` visible, complete and durable, with both pids; link(2) fails where another was first: then give up;
4. look for a process that runs the script already, which somebody else started: then leave `adopted`, and run nothing;
5. let the script go, if it is still the one that was checked; hold the lock on `started` as long as this process lives;
6. read the script's output to its end, whatever becomes of it;
7. leave `exit`;
8. live as long as anything that the script started: what loses its parent becomes a child of this process, and is
   known by that.
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
    from collections.abc import Callable, Iterator
    from hashlib import sha256
    from typing import Any, NoReturn
else:
    import _signal as signal  # what `signal` gives its enums to

    try:
        from _sha2 import sha256  # what `hashlib` falls back to; that loads a library of some megabytes first
    except ImportError:
        try:
            from _sha256 import sha256  # before Python 3.12
        except ImportError:
            from hashlib import sha256

STARTED = "started"
ADOPTED = "adopted"
EXIT = "exit"
CHECKSUM = "script.sha256"
LOG = "script.log"
GO = b"g"
OWN_PROGRAM = "/proc/self/fd/{}"  # how this program is named to the interpreter
TOMBSTONE = '{"schema": 1, "tombstone": true}'  # in place of `started`: it never will be
GAVE_UP = 3
NOT_RECORDED = 4
CHILD_GONE = 5
_CHUNK = 65536
_ROOM = 16 << 20  # left on the disk for what must be written down: how the script ended, the report, the answer
_FORK_FOR_S, _FORK_EVERY_S = 25.0, 0.1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_TRIES = 300  # one a second
_JOURNAL = "/run/systemd/journal/stdout"
_NUMBERS = ("log_max_bytes", "open_files")
_WORDS = ("folder", "id", "script", "cwd", "output", *_NUMBERS)
_SET_CHILD_SUBREAPER = 36  # prctl(2)
_NOBODY = 65534  # in a user namespace, whoever is not in it (user_namespaces(7)): that can be anybody
_SHELLS = frozenset(
    ("sh", "bash", "rbash", "bash-static", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh", "yash")
)
_BASH_SCRIPT, _SCRIPT = 255, 10  # the descriptors at which bash, and the other shells, have the script that they run
_FROM_STDIN = (0, *range(10, 16))  # a shell that reads its commands there moves it while one of them has another
_A_COMMAND = "-c"
_MAX_WORDS = 1 << 21  # ARG_MAX, the most that execve(2) takes
_MAX_NAME = 4096
_PROGRAMS = ("/bin", "/usr/bin", "/usr/local/bin")


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


def leave(folder: str, name: str, record: str, wait: Callable[[float], None]) -> None:
    """Write `exit` or `adopted`; a full disk is waited out, because nobody else knows what is in it.

    What else is in the way is waited out for some minutes.
    """
    draft, tries, missing = f"{folder}/.{name}.new", _TRIES, 10
    while tries > 0:
        try:
            descriptor = _create(draft, 0o644)
            try:
                _write(descriptor, (record + "\n").encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _rename(draft, f"{folder}/{name}")
            _sync(folder)
        except FileNotFoundError:
            if missing == 0:
                return  # the folder is gone, and with it everybody who could ask
            missing -= 1
            wait(0.3)  # a daemon that lives makes it again
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
    *,
    reaps_orphans: bool = False,
) -> int:
    """Run the script of `spec`: folder, id, script, cwd, environment, output, log_max_bytes. Return an exit code.

    Where they are told: `open_files` is the script's soft limit of open files; `journal_too` sends what goes to
    script.log to the journal as well.
    `may_go`: returns when it is known whether there is a launch at all.
    `is_moot`: asked when the script did not end well; if so, the host took it down with itself, and no `exit` is left.
    `on_ended`: called when `exit` is there; what the script left running may live on.
    `reaps_orphans`: this process has no other children than the script and what became its child by `adopt_orphans`.
    """
    _fill_standard_streams()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if spec["output"] == "journal" or spec.get("journal_too"):
        import socket  # noqa: F401, PLC0415 - it takes its time, and later it may be gone
    script = _Script(spec)
    if not may_go():
        script.call_off()
        return GAVE_UP
    if script.is_gone():
        os.close(script.go)
        return CHILD_GONE  # somebody killed it while it waited: nothing has happened yet, and another may try
    try:
        lock = claim(spec["folder"], _started_record(spec["id"], script.pid))
    except OSError as error:
        script.call_off()
        if error.errno == errno.EEXIST:
            return GAVE_UP
        print(f"pinakad supervisor: cannot record the start in '{spec['folder']}': {error.strerror}", file=sys.stderr)
        return NOT_RECORDED
    _supervise(spec, script, is_moot, on_ended, reaps_orphans=reaps_orphans)
    os.close(lock)
    return 0


def _supervise(
    spec: dict[str, Any],
    script: _Script,
    is_moot: Callable[[], bool],
    on_ended: Callable[[], None],
    *,
    reaps_orphans: bool,
) -> None:
    """Let the script go, unless somebody else runs it; read its output, and leave how it ended."""
    folder, sink = spec["folder"], sink_for(spec)
    children = _Children(script.pid, reaps_orphans=reaps_orphans)
    # the last thing before the word: who starts the script a moment later than this finds it running
    others = foreign_runs(spec["script"], os.path.dirname(folder))
    if others:
        os.close(script.go)
        children.wait_for_script()
        leave(folder, ADOPTED, adopted_record(spec["id"], *others[0]), time.sleep)
        on_ended()
        return
    script.let_go()
    status = _drain_until_exit(children, script.output, sink)
    if status != 0 and is_moot():
        return
    record = _exit_record(status, sink, script.obstacle())
    leave(folder, EXIT, record, lambda seconds: _drain_for(seconds, script.output, sink))
    on_ended()
    _drain_to_the_end(script.output, sink)
    children.outlive()


class _Script:
    """The process that waits to become the script."""

    def __init__(self, spec: dict[str, Any]) -> None:
        gate, self.go = os.pipe()
        self.output, inlet = os.pipe()
        self._cause, obstacle = os.pipe()
        self.pid = _forked()
        if self.pid == 0:
            _script_process(spec, gate, self.go, inlet, obstacle)
        for descriptor in (gate, inlet, obstacle):
            os.close(descriptor)

    def is_gone(self) -> bool:
        """Tell whether it has ended."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def call_off(self) -> None:
        """Let it see the end of its pipe: it goes without having run anything."""
        os.close(self.go)
        os.waitpid(self.pid, 0)

    def let_go(self) -> None:
        """Give it the word."""
        try:
            os.write(self.go, GO)
        except BrokenPipeError:
            pass  # it was killed while it waited: its status tells
        os.close(self.go)

    def obstacle(self) -> str:
        """Return why it has not become the script, "" where it has. Asked once, when it has ended."""
        return os.read(self._cause, _CHUNK).decode()


def _forked() -> int:
    """Fork. Where the system has no process left it is tried again, for as long as a launch may take (fork(2))."""
    ends_s = time.monotonic() + _FORK_FOR_S
    while True:
        try:
            return os.fork()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOMEM) or time.monotonic() >= ends_s:
                raise
        time.sleep(_FORK_EVERY_S)


class _Children:
    """The script's process, and the orphans that become children of this one: all are reaped when they end."""

    def __init__(self, script: int, *, reaps_orphans: bool) -> None:
        self.script = script
        self.ended = os.pidfd_open(script)
        self._status: int | None = None
        self._has_orphans = reaps_orphans
        if reaps_orphans:
            signal.signal(signal.SIGCHLD, lambda *_: self._reap())

    def wait_for_script(self) -> int:
        """Return the script's wait status, once it has ended."""
        if self._status is None:
            try:
                _, self._status = os.waitpid(self.script, 0)
            except ChildProcessError:
                pass  # `_reap` was faster
        return self._status or 0

    def outlive(self) -> None:
        """Wait until the orphans have ended: as long as this process lives, they are known by it."""
        while self._has_orphans:
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                return

    def _reap(self) -> None:
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == self.script:
                    self._status = status
                if pid == 0:
                    return
        except ChildProcessError:
            pass


def adopt_orphans() -> None:
    """Become the parent of all below this process that loses its own (prctl(2)), also of what has made itself a daemon.

    `ctypes` would cost as much as the whole start; where its core is missing, the session and the environment tell.
    """
    try:
        import _ctypes  # noqa: PLC0415 - only this program needs it, not who imports this file

        this_program: Any = None
        prctl = _ctypes.dlsym(_ctypes.dlopen(this_program, 0), "prctl")
        _ctypes.call_function(prctl, (_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
    except (ImportError, AttributeError, OSError):
        pass


def _fill_standard_streams() -> None:
    """Where one of 0, 1, 2 is closed, a pipe would get its number, and lose it to the script's streams."""
    while (descriptor := os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)) <= 2:  # noqa: PLR2004 - stderr
        pass
    os.close(descriptor)


def _script_process(spec: dict[str, Any], gate: int, go: int, inlet: int, obstacle: int) -> NoReturn:
    """Wait to be let go, then become the script. The end of the pipe means that nobody could record it: never run.

    What keeps it from becoming the script is written to `obstacle`, in ASCII.
    """
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
        if not _is_as_checked(spec["script"], f"{spec['folder']}/{CHECKSUM}"):
            os.write(obstacle, b"it was changed after it was checked")
            os._exit(126)
        os.chdir(spec["cwd"])  # not before: it may have been exchanged since
        os.execve("/bin/bash", ["/bin/bash", spec["script"]], spec["environment"])
    except OSError as error:
        os.write(2, f"pinakad: cannot run '{spec['script']}' in '{spec['cwd']}': {error.strerror}\n".encode())
        os.write(obstacle, (error.strerror or "").lower().encode("ascii", "replace").replace(b'"', b"'"))
    finally:
        os._exit(126)


def _is_as_checked(script: str, checksum: str) -> bool:
    """Tell whether the script's bytes are those that were checked and reported. Raises OSError."""
    try:
        descriptor = os.open(checksum, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return True  # a daemon of an earlier version started this
    wanted = os.read(descriptor, 64)
    found = sha256()
    descriptor = os.open(script, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    while data := os.read(descriptor, _CHUNK):
        found.update(data)
    os.close(descriptor)
    return found.hexdigest().encode() == wanted


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


def adopted_record(identifier: str, pid: int, ticks: int) -> str:
    """Return what `started` says, of a script that somebody else started; its supervisor is nobody."""
    now = _this_moment()
    boot_s = ticks / os.sysconf("SC_CLK_TCK")  # proc(5): of the boot clock
    return _as_json(
        {
            "schema": 1,
            "id": identifier,
            "adopted": 1,
            "supervisor_pid": 0,
            "script_pid": pid,
            "script_start_ticks": ticks,
            "boot_id": now["boot_id"],
            "boot_s": boot_s,
            "wall_s": now["wall_s"] - max(0.0, now["boot_s"] - boot_s),
        }
    )


def adopted_exit_record() -> str:
    """Return what `exit` says of such a script: when its end was seen, and no more."""
    return _as_json({"schema": 1, "exit_code": None, "signal": None, **_this_moment(), "dropped_bytes": 0})


def _exit_record(status: int, sink: Sink, cause: str) -> str:
    """`cause`: why the script was not run at all, "" where it was."""
    code = os.waitstatus_to_exitcode(status)
    return _as_json(
        {
            "schema": 1,
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            **_this_moment(),
            "log_bytes": sink.written,
            "dropped_bytes": sink.dropped,
            **({"not_run": cause} if cause else {}),
        }
    )


def _this_moment() -> dict[str, Any]:
    return {"boot_id": boot_id(), "boot_s": time.clock_gettime(time.CLOCK_BOOTTIME), "wall_s": time.time()}


# --- who else runs the script


def foreign_runs(script: str, deployments: str) -> list[tuple[int, int]]:
    """Return who runs `script` without one of our deployments having started it: pids and start ticks, oldest first.

    A process counts that is root's, the owner's of the script, or our own, by all of its user ids; whose program is a
    shell; and whose script is the file that `script` leads to. What one of these started is not listed besides. Ours
    are those below a folder of `deployments`, by their environment or an ancestor's words, and those in a unit of ours.
    """
    return _oldest_first({pid for pid in _runs_of(script) if not _is_ours(pid, deployments)})


def own_runs(script: str, deployments: str) -> list[tuple[int, int]]:
    """Return who runs `script` because one of our deployments has started it, as `foreign_runs` does."""
    return _oldest_first({pid for pid in _runs_of(script) if _is_ours(pid, deployments)})


def _oldest_first(found: set[int]) -> list[tuple[int, int]]:
    begun = [(start_ticks(pid), pid) for pid in found if _parent(pid) not in found]
    return [(pid, ticks) for ticks, pid in sorted((ticks, pid) for ticks, pid in begun if ticks is not None)]


def _runs_of(script: str) -> Iterator[int]:
    try:
        file = os.stat(script)
    except OSError:
        return
    users = {0, os.geteuid(), file.st_uid} - {_NOBODY}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and _runs(int(name), script, file, users):
            yield int(name)


def _runs(pid: int, script: str, file: os.stat_result, users: set[int]) -> bool:
    """Tell whether a process is a shell that runs the file: by its words, or by where a shell keeps its script open."""
    program = _shell_of(pid, users)
    words = words_of_process(pid) if program is not None else []
    if not words:
        return False
    argument = _first_argument(words[1:] if _base(words[0]) == "busybox" else words)
    if argument == _A_COMMAND:
        return False
    kept = _FROM_STDIN if not argument else (_BASH_SCRIPT,) if "bash" in (program or "") else (_SCRIPT,)
    named = bool(argument) and _is_file(pid, argument, script, file)
    return named or any(_is_same(f"/proc/{pid}/fd/{number}", file) for number in kept)


def _shell_of(pid: int, users: set[int]) -> str | None:
    """Return the path of the shell that a process of these users is, "" where it may not be seen, None for no shell.

    Its words are read when its user is known: how long that takes, the user could decide.
    """
    program = ""
    try:
        program = os.readlink(f"/proc/{pid}/exe")
        is_shell = _base(program.removesuffix(" (deleted)")) in _SHELLS
    except PermissionError:  # another user's: its words must do
        is_shell = _could_be_a_shell(pid)
    except OSError:
        return None  # a thread of the kernel, a zombie, or gone
    return program if is_shell and user_ids(pid) <= users else None


def user_ids(pid: int) -> set[int]:
    """Return all user ids of a process. One that anybody starts and that has the rights of another, has two."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            line = next((line for line in file if line.startswith("Uid:")), "")
    except OSError:
        line = ""
    return {int(number) for number in line.split()[1:]} or {_NOBODY}


def _could_be_a_shell(pid: int) -> bool:
    """Tell whether a process whose program we may not see is the shell that it is called.

    Its words are for anybody to choose, also those of sudo(8), which has no user id but root's while it waits for a
    password. How much code the program has (statm in proc(5)) the kernel counts, and it must be as much as the shell's.
    """
    name = _base(_text(f"/proc/{pid}/cmdline", _MAX_NAME).partition("\0")[0])
    numbers = _text(f"/proc/{pid}/statm").split()
    if name not in _SHELLS or len(numbers) < 4:  # noqa: PLR2004 - the text is the fourth
        return False
    return int(numbers[3]) in {_pages_of_code(f"{folder}/{name}") for folder in _PROGRAMS}


def _pages_of_code(program: str) -> int:
    """Return how many pages the code of a program has, as the kernel counts them (elf(5)); -1 for none."""
    try:
        with open(program, "rb") as file:
            head = file.read(4096)
    except OSError:
        return -1
    wide, is_little = head[4:5] == b"\2", head[5:6] == b"\1"

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], "little" if is_little else "big")

    if not head.startswith(b"\x7fELF"):
        return -1
    table = number(32, 8) if wide else number(28, 4)
    size, count = (number(54, 2), number(56, 2)) if wide else (number(42, 2), number(44, 2))
    parts = []
    for at in range(table, table + size * count, size or 1):
        flags, begin, length = (4, (16, 8), (32, 8)) if wide else (24, (8, 4), (16, 4))
        if number(at, 4) == 1 and number(at + flags, 4) & 1:  # PT_LOAD, PF_X
            parts.append((number(at + begin[0], begin[1]), number(at + length[0], length[1])))
    if not parts:
        return -1
    page = resource.getpagesize()
    return -(-max(begin + length for begin, length in parts) // page) - min(begin for begin, _ in parts) // page


def _is_file(pid: int, name: str, script: str, file: os.stat_result) -> bool:
    """Tell whether a name, as a process sees it, is the file."""
    if name.startswith("/"):
        return _is_same(f"/proc/{pid}/root{name}", file) or _is_same(name, file)
    try:
        os.stat(f"/proc/{pid}/cwd/")
    except PermissionError:  # another user's: as far as the name goes, it must be the end of ours
        tail = [part for part in name.split("/") if part not in ("", ".", "..")]
        return bool(tail) and tail in (path.split("/")[-len(tail) :] for path in (script, os.path.realpath(script)))
    except OSError:
        return False
    return _is_same(f"/proc/{pid}/cwd/{name}", file)


def _is_same(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), file)
    except (OSError, ValueError):
        return False


def _first_argument(words: list[str]) -> str:
    """Return what a shell runs: the first word that is neither an option nor belongs to one (bash(1)), "" for none.

    With `-c` it is no file, with `-s` it is what stdin says.
    """
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith(("-", "+")):
            return word
        if word in ("-", "--"):
            return next(rest, "")
        if word.startswith("-") and not word.startswith("--") and set(word) & {"c", "s"}:
            return _A_COMMAND if "c" in word else ""
        if word in ("--rcfile", "--init-file") or (not word.startswith("--") and word.endswith(("o", "O"))):
            next(rest, None)
    return ""


def _is_ours(pid: int, deployments: str) -> bool:
    """Tell whether one of our deployments has started a process; what cannot be read says nothing."""
    if "/pinakad-script@" in _text(f"/proc/{pid}/cgroup"):
        return True
    if f"\0PINAKAD_NODES_DIR={deployments}/" in "\0" + _text(f"/proc/{pid}/environ"):
        return True
    for _ in range(64):
        pid = _parent(pid)
        if pid <= 1:
            return False
        if any(word.startswith(f"{deployments}/") for word in words_of_process(pid)):
            return True
    return False


def words_of_process(pid: int) -> list[str]:
    """Return the command line of a process (proc(5)); empty for a thread of the kernel, a zombie, and none."""
    return _text(f"/proc/{pid}/cmdline").split("\0")[:-1]


def _parent(pid: int) -> int:
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _text(path: str, limit: int = _MAX_WORDS) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = b""
            while len(data) < limit and (more := os.read(descriptor, min(limit, _CHUNK))):
                data += more
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    return os.fsdecode(data)


def _base(path: str) -> str:
    return path.rpartition("/")[2].lstrip("-")


def _as_json(record: dict[str, Any]) -> str:
    """Return JSON. What we record are numbers, None and ids, which need no escape: letters, digits, `.` and `-`."""
    return "{" + ", ".join(f'"{name}": {_shown(value)}' for name, value in record.items()) + "}"


def _shown(value: float | str | None) -> str:
    if isinstance(value, str):
        return f'"{value}"'
    return "null" if value is None else str(value)


def _drain_until_exit(children: _Children, output: int, sink: Sink) -> int:
    """Read the output until the script has exited; what it wrote before that is all read. Return its wait status."""
    watch = select.poll()
    watch.register(output, select.POLLIN)
    ended = children.ended
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
    status = children.wait_for_script()
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
    adopt_orphans()
    sys.exit(main(_spec_of(sys.argv[1:]), may_go=lambda: os.read(0, 1) == GO, reaps_orphans=True))
