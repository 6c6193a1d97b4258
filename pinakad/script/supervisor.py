"""How does the script's exit status survive the daemon? By this small program, which outlives the daemon.

It and what it imports of ours are of the standard library only, and are made into one program (bundle.py). The daemon
hands that to the interpreter by a descriptor, as it was when the daemon started: an upgrade cannot pull it away, and
nobody can exchange it. It is started before it is needed, because that takes longer than what is left to do until the
launch. It is longer than other files: one program, to be read from its top to its end. Its acts, in this order:

1. fork the script's process, which waits;
2. wait for one byte from the daemon on stdin; its end means that there is no launch: give up;
3. make `started` visible, complete and durable, with both pids; link(2) fails where another was first: then give up;
4. search for a process that runs the script already, started by somebody else: then leave `adopted`, and run nothing;
5. let the script go, if it is still the one that was checked; hold the lock on `started` as long as this process lives;
6. read the script's output to its end, whatever becomes of it;
7. leave `exit`;
8. live as long as anything that the script started: what loses its parent becomes a child of this process, and is
   known by that.
"""

from __future__ import annotations

import errno
import os
import resource
import sys
import time

from pinakad.script.output import Output
from pinakad.script.records import ADOPTED, CHECKSUM, EXIT, adopted_record, claim, exit_record, leave, started_record
from pinakad.script.running_scripts import foreign_runs

# The script waits for these imports: json, contextlib, enum (of signal) and typing would double them. And nothing may
# be imported after the launch: an upgrade of the host can take the library away while the script runs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable
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

GO = b"g"
OWN_PROGRAM = "/proc/self/fd/{}"  # how this program is named to the interpreter
GAVE_UP = 3
NOT_RECORDED = 4
CHILD_GONE = 5
_CAUSE_BYTES = 4096
_BLOCK_BYTES = 65536
_FORK_FOR_S, _FORK_EVERY_S = 25.0, 0.1
_SET_CHILD_SUBREAPER = 36  # prctl(2)


class Spec:
    """What a supervisor is given. No input of a user is in it.

    `folder`: the deployment's. `output`: see Output; with `journal_too` what goes to script.log goes to the journal as
    well. `open_files`: the script's soft limit of open files, 0 for the one that there is.
    """

    def __init__(
        self,
        *,
        folder: str,
        identifier: str,
        script: str,
        cwd: str,
        environment: dict[str, str],
        output: str,
        log_max_bytes: int,
        boot_id: str,
        open_files: int = 0,
        journal_too: bool = False,
    ) -> None:
        self.folder, self.identifier = folder, identifier
        self.script, self.cwd, self.environment = script, cwd, environment
        self.output, self.log_max_bytes, self.journal_too = output, log_max_bytes, journal_too
        self.boot_id, self.open_files = boot_id, open_files

    def words(self) -> list[str]:
        """Return the arguments that give it to this program; `journal_too` is only for a caller of `main`."""
        numbers = (str(self.log_max_bytes), str(self.open_files))
        fixed = (self.folder, self.identifier, self.script, self.cwd, self.output, self.boot_id, *numbers)
        return [*fixed, *(f"{name}={value}" for name, value in self.environment.items())]

    @classmethod
    def of_words(cls, words: list[str]) -> Spec:
        """Return the spec of a command line, as `words` made it. Raises ValueError."""
        folder, identifier, script, cwd, output, boot_id, log_max_bytes, open_files, *environment = words
        return cls(
            folder=folder,
            identifier=identifier,
            script=script,
            cwd=cwd,
            environment=dict(entry.split("=", 1) for entry in environment),
            output=output,
            log_max_bytes=int(log_max_bytes),
            boot_id=boot_id,
            open_files=int(open_files),
        )


def main(
    spec: Spec,
    may_go: Callable[[], bool] = lambda: True,
    is_moot: Callable[[], bool] = lambda: False,
    on_ended: Callable[[], None] = lambda: None,
    *,
    reaps_orphans: bool = False,
) -> int:
    """Run the script of `spec` to its end. Return an exit code: 0, GAVE_UP, NOT_RECORDED or CHILD_GONE.

    `may_go`: returns when it is known whether there is a launch at all.
    `is_moot`: asked when the script did not end well; if so, the host took it down with itself, and no `exit` is left.
    `on_ended`: called when `exit` is there; what the script left running may live on.
    `reaps_orphans`: this process has no other children than the script and what became its child by `adopt_orphans`.
    """
    _fill_standard_streams()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if spec.output == "journal" or spec.journal_too:
        import socket  # noqa: F401, PLC0415 - it takes its time, and later it may be gone
    script = _Script(spec)
    if not may_go():
        script.call_off()
        return GAVE_UP
    if script.is_gone():
        os.close(script.go)
        return CHILD_GONE  # somebody killed it while it waited: nothing has happened yet, and another may try
    try:
        lock = claim(spec.folder, started_record(spec.identifier, script.pid, spec.boot_id))
    except OSError as error:
        script.call_off()
        if error.errno == errno.EEXIST:
            return GAVE_UP
        print(f"pinakad supervisor: cannot record the start in '{spec.folder}': {error.strerror}", file=sys.stderr)
        return NOT_RECORDED
    _supervise(spec, script, is_moot, on_ended, reaps_orphans=reaps_orphans)
    os.close(lock)
    return 0


def _supervise(
    spec: Spec,
    script: _Script,
    is_moot: Callable[[], bool],
    on_ended: Callable[[], None],
    *,
    reaps_orphans: bool,
) -> None:
    """Let the script go, unless somebody else runs it; read its output, and leave how it ended."""
    output = Output(spec.output, spec.folder, spec.log_max_bytes, journal_too=spec.journal_too)
    children = _Children(script.pid, reaps_orphans=reaps_orphans)
    # right before the script is let go: who starts it after this moment finds it running
    others = foreign_runs(spec.script, os.path.dirname(spec.folder))
    if others:
        os.close(script.go)
        children.wait_for_script()
        leave(spec.folder, ADOPTED, adopted_record(spec.identifier, *others[0], spec.boot_id), time.sleep)
        on_ended()
        return
    script.let_go()
    output.drain_until_exit(script.output, children.ended)
    os.close(children.ended)
    status = children.wait_for_script()
    output.drain_what_is_left(script.output)
    if status != 0 and is_moot():
        return
    record = exit_record(status, output.written, output.dropped, script.obstacle(), spec.boot_id)
    leave(spec.folder, EXIT, record, lambda seconds: output.drain_for(seconds, script.output))
    on_ended()
    output.drain_to_the_end(script.output)
    children.outlive()


class _Script:
    """The process that waits to become the script."""

    def __init__(self, spec: Spec) -> None:
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
        """Let it become the script."""
        try:
            os.write(self.go, GO)
        except BrokenPipeError:
            pass  # it was killed while it waited: its status shows that
        os.close(self.go)

    def obstacle(self) -> str:
        """Return why it has not become the script, "" where it has. Asked once, when it has ended."""
        return os.read(self._cause, _CAUSE_BYTES).decode()


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

    `ctypes` would cost as much as the whole start; where its core is missing, orphans are
    known by their session and environment.
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


def _script_process(spec: Spec, gate: int, go: int, inlet: int, obstacle: int) -> NoReturn:
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
        if spec.open_files:
            _limit_open_files(spec.open_files)
        if os.read(gate, 1) != GO:
            os._exit(GAVE_UP)
        if not _is_as_checked(spec.script, f"{spec.folder}/{CHECKSUM}"):
            os.write(obstacle, b"it was changed after it was checked")
            os._exit(126)
        os.chdir(spec.cwd)  # not before: it may have been exchanged since
        os.execve("/bin/bash", ["/bin/bash", spec.script], spec.environment)
    except OSError as error:
        os.write(2, f"pinakad: cannot run '{spec.script}' in '{spec.cwd}': {error.strerror}\n".encode())
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
    while data := os.read(descriptor, _BLOCK_BYTES):
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


def _close_own_program(name: str) -> None:
    """The script must not inherit the descriptor that this program was read from."""
    before, after = OWN_PROGRAM.split("{}")
    number = name.removeprefix(before).removesuffix(after)
    if number.isdigit():
        os.close(int(number))


if __name__ == "__main__":
    _close_own_program(sys.argv[0])
    adopt_orphans()
    sys.exit(main(Spec.of_words(sys.argv[1:]), may_go=lambda: os.read(0, 1) == GO, reaps_orphans=True))
