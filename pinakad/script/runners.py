"""Start and stop a script's supervisor: as a process of the daemon's, or in a unit of systemd."""

import asyncio
import fcntl
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Protocol

from pinakad.config import ScriptSettings
from pinakad.linux.shortage import is_shortage
from pinakad.printable import cause_of
from pinakad.script import launch_service, supervisor
from pinakad.script.bundle import program_compiled, program_text
from pinakad.script.outcome import Started
from pinakad.script.processes import end_all, is_alive
from pinakad.script.running_scripts import start_ticks
from pinakad.script.supervisor import Spec

log = logging.getLogger(__name__)

TRY_FOR_S = 25.0  # within the limit for a launch: what did not start then gets a tombstone
_RETRY_EVERY_S = 0.5
_ANSWER_LIMIT_S = 40.0  # a unit that is stopped has 20 s (TimeoutStopSec=)
_MAX_ANSWER_BYTES = 1 << 16
_NO_ANSWER = -1
_FINAL = (launch_service.REFUSED, 5)  # what asking again does not mend; 5: there is no such unit (systemctl(1))
_GO_AWAY_S = 1.0
_INTERPRETER = ("-I", "-S", "-X", "pinakad-supervisor")  # the last is for readers of ps(1): Python ignores it


class Runner(Protocol):
    """Starts a supervisor, and ends all that it runs."""

    makes_executable: bool
    """Whether the script's mode is this runner's business, because the daemon may not change it."""

    def start_prepared(self, spec: Spec) -> AbstractContextManager[None]:
        """Prepare a start that may never come, and discard at the end what it has not used."""

    async def start(self, spec: Spec) -> str | None:
        """Start a supervisor; return why that failed at once, None where it did not."""

    def call_off(self) -> None:
        """Discard what was prepared, and do not try again what failed; what was started is not touched."""

    async def failed(self) -> str | None:
        """Return why the supervisor that was started is gone, None while it may live."""

    async def stop(self, nodes_dir: str, started: Started) -> bool:
        """End the script and all that it started. Return whether all is gone."""


class SubprocessRunner:
    """The supervisor is a process in a session of its own: nothing that happens to the daemon reaches it."""

    makes_executable = False

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._gate: IO[bytes] | None = None  # of the process, while it waits for the word
        self._spare: Spec | None = None
        self._unstarted: Spec | None = None  # for want of a process; it is tried again
        self._again_s = self._until_s = 0.0

    @contextmanager
    def start_prepared(self, spec: Spec) -> Iterator[None]:
        """Have a supervisor that waits. Where that fails, `start` tries again and returns why.

        Its program is compiled, which would take a third of its start-up. An interpreter that was exchanged meanwhile
        may refuse that: then the text is taken.
        """
        try:
            if self._spawn(spec, program_compiled()) is None:
                self._spare = spec
            yield
        finally:
            self.call_off()

    async def start(self, spec: Spec) -> str | None:
        """Let the supervisor go. Where it was killed while it waited, `failed` sees that and starts another.

        It also tries again where the system has no process for it now.
        """
        self._until_s = asyncio.get_running_loop().time() + TRY_FOR_S
        if self._gate is None:
            return self._start_from_text(spec)
        self._let_go(self._gate)
        return None

    def call_off(self) -> None:
        """Close the pipe of the supervisor that waits: it gives up, and has done nothing."""
        self._unstarted = None
        if self._gate is not None and self._process is not None:
            self._gate.close()
            self._gate = None
            try:
                self._process.wait(_GO_AWAY_S)
            except subprocess.TimeoutExpired:
                self._process.kill()  # what it waits for is not us; nobody waits for it any more

    def _start_from_text(self, spec: Spec) -> str | None:
        self._spare = None
        error = self._spawn(spec, program_text())
        if self._gate is not None:
            self._let_go(self._gate)
        if error is not None and is_shortage(error) and asyncio.get_running_loop().time() < self._until_s:
            self._put_off(spec, error)
            return None
        self._unstarted = None
        return None if error is None else cause_of(error)

    def _put_off(self, spec: Spec, error: OSError) -> None:
        if self._unstarted is None:
            log.warning("cannot start the script's supervisor: %s; it is tried again", cause_of(error))
        self._unstarted, self._again_s = spec, asyncio.get_running_loop().time() + _RETRY_EVERY_S

    def _let_go(self, gate: IO[bytes]) -> None:
        self._gate = None
        with suppress(BrokenPipeError), gate:  # if it is gone, its exit code shows why
            gate.write(supervisor.GO)

    def _spawn(self, spec: Spec, program: bytes) -> OSError | None:
        """Start a supervisor; it waits for the word. Return what kept it from that.

        Its program is handed to the interpreter by a descriptor. A file in the state folder could be exchanged by the
        owner of that folder between its writing and its reading, and would then run with our rights.
        """
        try:
            with os.fdopen(_sealed(program), "rb") as file:
                self._process = subprocess.Popen(
                    [
                        sys.executable,
                        *_INTERPRETER,
                        supervisor.OWN_PROGRAM.format(file.fileno()),
                        *spec.words(),
                    ],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    cwd="/",
                    start_new_session=True,
                    env={"LANG": "C.UTF-8"},
                    pass_fds=[file.fileno()],
                )
        except OSError as error:
            return error
        self._gate = self._process.stdin
        _reap_when_it_ends(self._process)
        return None

    async def failed(self) -> str | None:
        """Return why the supervisor failed, None where it may live or gave up; start another where that helps."""
        if self._unstarted is not None:
            is_due = asyncio.get_running_loop().time() >= self._again_s
            return self._start_from_text(self._unstarted) if is_due else None
        code = self._process.poll() if self._process else None
        if code is None or code in (0, supervisor.GAVE_UP):
            return None
        if code == supervisor.NOT_RECORDED:
            return "the start cannot be recorded in the state folder"
        if self._spare is not None:  # it waited too long, or could not even begin; if it has begun, link(2) fails
            return self._start_from_text(self._spare)
        return f"the supervisor ended with status {code}"

    async def stop(self, nodes_dir: str, started: Started) -> bool:
        """TERM, then KILL, to everything that the script started."""
        script, now = started.script_pid, start_ticks(started.script_pid)
        ours = script > 0 and now in (None, started.script_start_ticks)  # otherwise it is somebody else's by now
        lives = is_alive(started.supervisor_pid, started.supervisor_start_ticks)
        return await end_all(nodes_dir, script if ours else None, started.supervisor_pid if lives else None)


class SystemdRunner:
    """The supervisor is the main process of a unit with its own rights, which the daemon may have started and stopped.

    Root's side takes no word of ours but a verb and the deployment's id: launch_service.py starts the unit, whose
    program is unit.py.
    """

    makes_executable = True

    def __init__(self, identifier: str, socket: Path = Path(launch_service.SOCKET)) -> None:
        self._id = identifier
        self._unit = launch_service.unit_of(identifier)
        self._socket = socket
        self._ask_at_s = 0.0

    def start_prepared(self, spec: Spec) -> AbstractContextManager[None]:  # noqa: ARG002 - nothing is prepared
        """Prepare nothing: the unit is started when it is needed."""
        return nullcontext()

    def call_off(self) -> None:
        """Discard nothing."""

    async def start(self, spec: Spec) -> str | None:  # noqa: ARG002 - the unit reads its own
        """Have the unit started. Where systemd is away for a moment, as in an upgrade, it is asked again."""
        code, text = await self._insist("start")
        self._ask_at_s = asyncio.get_running_loop().time() + _RETRY_EVERY_S
        return None if code == 0 else f"cannot start {self._unit}: {' '.join(text.split())}"

    async def failed(self) -> str | None:
        """Return why the unit has ended; asked now and then, because a run that is well shows itself much sooner."""
        now_s = asyncio.get_running_loop().time()
        if now_s < self._ask_at_s:
            return None
        self._ask_at_s = now_s + _RETRY_EVERY_S
        code, text = await _ask(self._socket, f"show {self._id}")
        shown = dict(word.split("=", 1) for word in text.split() if "=" in word)
        # one that has ended may be forgotten already (CollectMode=): it is inactive then, without a cause
        gone = shown.get("ActiveState") in ("inactive", "failed") and shown.get("Job") in (None, "", "0")
        if code != 0 or not gone:
            return None
        return f"the unit {self._unit} has ended before it; journalctl -u {self._unit} tells why"

    async def stop(self, nodes_dir: str, started: Started) -> bool:  # noqa: ARG002 - the unit knows its processes
        """Have the unit stopped, and wait until that is done."""
        code, _ = await self._insist("stop")
        return code == 0

    async def _insist(self, verb: str) -> tuple[int, str]:
        loop = asyncio.get_running_loop()
        ends_s = loop.time() + TRY_FOR_S
        logged = False
        while True:
            code, text = await _ask(self._socket, f"{verb} {self._id}")
            if code in (0, *_FINAL) or loop.time() >= ends_s:
                return code, text
            if not logged:
                log.warning("cannot %s %s: %s; it is tried again", verb, self._unit, text)
            logged = True
            await asyncio.sleep(_RETRY_EVERY_S)


def _reap_when_it_ends(process: "subprocess.Popen[bytes]") -> None:
    """Reap a supervisor at its end: after its run no code waits for it, and it would stay a zombie."""
    try:
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(process.pid)
    except (RuntimeError, OSError):
        return  # without a loop or a descriptor to spare, the garbage collection it is

    def reap() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        process.poll()

    loop.add_reader(descriptor, reap)


def runner_for(settings: ScriptSettings, identifier: str) -> Runner:
    """Return the runner that is configured."""
    return SystemdRunner(identifier) if settings.runner == "systemd" else SubprocessRunner()


def _sealed(program: bytes) -> int:
    """Return the descriptor of a file without a name that has the program and that nobody can change any more."""
    descriptor = os.memfd_create("pinakad-supervisor", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(program)
        while view:
            view = view[os.write(descriptor, view) :]
        seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


async def _ask(path: Path, request: str) -> tuple[int, str]:
    """Ask root's side; return the exit code and what it says. Where nobody answers, that is _NO_ANSWER."""
    try:
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(f"{request}\n".encode())
                answer = await reader.read(_MAX_ANSWER_BYTES)
                while more := await reader.read(_MAX_ANSWER_BYTES - len(answer)):
                    answer += more
            finally:
                writer.close()
    except TimeoutError:
        return _NO_ANSWER, f"nobody answers at '{path}' within {_ANSWER_LIMIT_S:.0f} s"
    except OSError as error:
        return _NO_ANSWER, f"cannot ask at '{path}': {cause_of(error)}; pinakactl setup installs what listens there"
    code, _, text = answer.decode(errors="replace").partition("\n")
    return (int(code), text.strip()) if code.isdigit() else (_NO_ANSWER, f"no answer came from '{path}'")
