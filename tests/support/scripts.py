"""A script in a folder of its own, as a daemon would have it, and ways to wait for processes."""

import asyncio
import atexit
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from processes import end_all_that_mention

from pinakad.config import ScriptSettings
from pinakad.script import supervisor
from pinakad.script.bundle import program_text
from pinakad.script.outcome import Ended, Started
from pinakad.script.running_scripts import start_ticks
from pinakad.script.script import ScriptOnDisk
from pinakad.script.supervisor import Spec


class Place:
    """A script in a work folder of its own, and a deployment's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.id = f"20261123T212455Z.{secrets.randbelow(10**12):012}"  # what carries it is ended, wherever it is
        self.path = root / "deploy it.sh"
        self.folder = root / self.id
        self.folder.mkdir()
        self._made: list[ScriptOnDisk] = []

    def script(self, text: str = "", **settings: object) -> ScriptOnDisk:
        """Write the script, unless there is one already that shall be found; return it as a daemon would have it."""
        if text:
            self.path.write_text(text)
        made = ScriptOnDisk(self.folder, self.id, self.path, self.root, ScriptSettings.model_validate(settings or {}))
        self._made.append(made)
        return made

    def read(self, name: str) -> str:
        return (self.root / name).read_text()

    def log(self) -> str:
        return (self.folder / "script.log").read_text(errors="replace")

    def close(self) -> None:
        end_all_that_mention(str(self.root))
        for script in self._made:
            process = script._run.runner._process  # type: ignore[attr-defined]
            if process is not None:
                process.wait()


async def run(script: ScriptOnDisk) -> Ended:
    started = await script.launch()
    assert isinstance(started, Started), started
    return await script.ended()


async def started(script: ScriptOnDisk) -> Started:
    found = await script.launch()
    assert isinstance(found, Started), found
    return found


@cache
def supervisor_program() -> str:
    """Return a file with the supervisor's program."""
    file = Path(tempfile.mkdtemp()) / "supervisor.py"
    file.write_bytes(program_text())
    file.parent.chmod(0o755)
    atexit.register(shutil.rmtree, file.parent, ignore_errors=True)
    return str(file)


def command_of(spec: Spec) -> list[str]:
    """Return what starts a supervisor."""
    return [sys.executable, "-I", "-S", supervisor_program(), *spec.words()]


async def let_go(spec: Spec, **more: Any) -> asyncio.subprocess.Process:
    """Start a supervisor as the daemon does, and let it go at once."""
    process = await asyncio.create_subprocess_exec(*command_of(spec), stdin=subprocess.PIPE, **more)
    assert process.stdin is not None
    process.stdin.write(supervisor.GO)
    process.stdin.close()
    return process


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so in another process."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the event is another process's
            await asyncio.sleep(0.01)


async def until_there(path: Path) -> None:
    """Wait until a process has made the file."""
    await until(path.exists)


async def until_gone(pid: int) -> None:
    """Wait until a process has ended, reaped or not."""
    await until(lambda: start_ticks(pid) is None or state_of(pid) in "ZX")


def state_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
