"""The real front door as a child process, for the page of a rehearsal."""

import asyncio
import os
import secrets
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pinakad
from pinakad.cli.console.session import FaultError
from pinakad.cli.rehearsal.child import STOP_LIMIT_S, log_end

_LIMIT_S = 10.0
_CHECK_EVERY_S = 0.05


class FrontDoor:
    """One `pinakad-web` on a port of the loopback, for as long as the `async with` lasts."""

    def __init__(self, config: Path, state: Path, runtime: Path, token: Path, port: int) -> None:
        self._config, self._token, self._port = config, token, port
        self._log = config.with_name("pinakad-web.log")
        self._environment = os.environ | {"STATE_DIRECTORY": str(state), "RUNTIME_DIRECTORY": str(runtime)}
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The address to open, with the token behind `#`, which no log sees."""
        return f"http://localhost:{self._port}/#token={self._token.read_text(encoding='ascii').strip()}"

    async def __aenter__(self) -> Self:
        self._token.touch(0o600)
        self._token.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
        words = ["-m", "pinakad.web", "--config", str(self._config), "--listen", f"127.0.0.1:{self._port}"]
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *words,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=Path(pinakad.__file__).parent.parent,
            )
        try:
            await self._until_it_answers(self._process)
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _until_it_answers(self, process: Process) -> None:
        ends_s = asyncio.get_running_loop().time() + _LIMIT_S
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
                writer.close()
                return
            if process.returncode is not None or asyncio.get_running_loop().time() > ends_s:
                raise FaultError(f"the front door does not answer:\n{log_end(self._log)}")
            await asyncio.sleep(_CHECK_EVERY_S)

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_S):
                await process.wait()
                return
        process.kill()
