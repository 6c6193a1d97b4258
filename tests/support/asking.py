"""How does an operator ask about a world? With pinakactl, as a process, in a pipe or on a terminal."""

import os
import pty
import subprocess
import time
from pathlib import Path

from ctl import DEADLINE_S, PROGRAM, environment, pinakactl
from world import World


def folders(world: World) -> dict[str, str]:
    """Return the variables that lead pinakactl to a world."""
    return {
        "STATE_DIRECTORY": str(world.state),
        "RUNTIME_DIRECTORY": str(world.runtime),
        "PINAKAD_CONFIG": str(world.config),
    }


def ask(world: World, *arguments: str | Path, code: int = 0, **variables: str) -> str:
    """Run pinakactl, which must end with `code`; return what it says: on stdout, or (`code` not 0, nothing there)
    on stderr.
    """
    done = pinakactl(world.root, *arguments, variables=folders(world) | variables)
    assert done.returncode == code, done.stdout + done.stderr
    assert code != 0 or not done.stderr, done.stderr
    return done.stdout or done.stderr


def begin(world: World, *arguments: str) -> "subprocess.Popen[bytes]":
    """Start pinakactl in a pipe and leave it running; whoever calls this ends it."""
    own = environment(world.root, **folders(world))
    return subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, env=own, cwd=world.root)


def on_a_terminal(world: World, *arguments: str, **variables: str) -> str:
    """Run pinakactl on a terminal to its end; return every byte that came there, with new lines as they were sent."""
    ours, theirs = pty.openpty()
    own = environment(world.root, TERM="xterm", **folders(world), **variables)
    with subprocess.Popen([*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=own) as process:
        os.close(theirs)
        text, ends_s = b"", time.monotonic() + DEADLINE_S
        while chunk := _read(ours):
            assert time.monotonic() < ends_s, text
            text += chunk
        assert process.wait(DEADLINE_S) == 0, text
    os.close(ours)
    return text.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the other end open any more
        return b""
