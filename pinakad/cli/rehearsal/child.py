"""The real daemon as a child process: started, ready when it says so, and gone at the end."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pinakad
from pinakad.cli.console.session import FaultError
from pinakad.printable import cause_of

READY_LIMIT_S = 20.0
STOP_LIMIT_S = 5.0
_CHECK_EVERY_S = 0.02
_MAX_MESSAGE = 4096
_NOT_INHERITED = {"PINAKAD_CONFIG", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"}


class Child:
    """One daemon with its own configuration and folders, for as long as the `async with` lasts.

    Its messages to the service manager (sd_notify(3)) come to a socket of ours, and set `is_ready`.
    """

    def __init__(self, config: Path, state: Path, runtime: Path, log: Path) -> None:
        self.is_ready = False
        self._config, self._log = config, log
        self._environment = {key: value for key, value in os.environ.items() if key not in _NOT_INHERITED}
        self._environment |= {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(runtime)}
        self._notify: socket.socket | None = None
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, once it was started."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        # an abstract name (unix(7)) leaves no file behind and is never too long
        name = f"pinakad-{os.getpid()}-{secrets.token_hex(8)}"
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setblocking(False)
        self._notify.bind(f"\0{name}")
        asyncio.get_running_loop().add_reader(self._notify, self._hear, self._notify)
        try:
            await self._start(f"@{name}")
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def ready(self) -> None:
        """Wait until it says that it is ready. Raises FaultError, with the end of its log."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + READY_LIMIT_S
        while not self.is_ready:
            self.check()
            if loop.time() > deadline_s:
                raise FaultError(f"the daemon was not ready within {READY_LIMIT_S:g} s:\n{log_end(self._log)}")
            await asyncio.sleep(_CHECK_EVERY_S)

    async def ended(self) -> None:
        """Wait until it has ended, by whatever means."""
        if self._process is not None:
            await self._process.wait()

    def check(self) -> None:
        """Raise FaultError where it has ended by itself."""
        code = self._process.returncode if self._process else None
        if code is not None:
            raise FaultError(f"the daemon ended with status {code}:\n{log_end(self._log)}")

    async def _start(self, notify: str) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "pinakad", "--config", str(self._config)),
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment | {"NOTIFY_SOCKET": notify},
                cwd=Path(pinakad.__file__).parent.parent,  # this very package, whatever lies in the working directory
            )

    async def _stop(self) -> None:
        """TERM, as systemd does it; KILL where that does not help."""
        process = self._process
        if process is not None and process.returncode is None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    process.send_signal(number)
                with suppress(TimeoutError):
                    async with asyncio.timeout(STOP_LIMIT_S):
                        await process.wait()
                    break
        if self._notify is not None:
            asyncio.get_running_loop().remove_reader(self._notify)
            self._notify.close()
            self._notify = None

    def _hear(self, notify: socket.socket) -> None:
        with suppress(BlockingIOError):
            self.is_ready |= b"READY=1" in notify.recv(_MAX_MESSAGE).splitlines()


def log_end(log: Path, lines: int = 5) -> str:
    """Return the last lines of a log."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"cannot read '{log}': {cause_of(error)}"
