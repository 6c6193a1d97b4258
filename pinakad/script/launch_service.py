"""Start and stop the units of deployment scripts for the daemon, which may not: root's side of pinakad-launch.socket.

systemd runs this once for each connection (systemd.socket(5), Accept=yes), with the connection as stdin and stdout. A
request is one line: `start ID`, `stop ID` or `show ID`. The answer is systemctl's exit code, a line feed, and what
systemctl says. No other unit, verb or job mode can be named. A launch waits for the imports: all are the library's.
"""

import os
import re
import socket
import struct
import subprocess
import sys

SOCKET = "/run/pinakad-launch.sock"
REFUSED = 78  # sysexits.h: EX_CONFIG; no code of systemctl's
DEPLOYMENT_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z\.[0-9]{4,10}")
_COMMANDS = {
    "start": ("start", "--no-block", "--job-mode=fail"),  # never in place of a stop that is under way
    "stop": ("stop",),
    "show": ("show", "--property=ActiveState,Job,Result"),
}
_MAX_REQUEST_BYTES = 64
_REQUEST_LIMIT_S = 5.0


class RefusedError(Exception):
    """The request is not one that the daemon may make. The message says why."""


def unit_of(identifier: str) -> str:
    """Return the unit that runs the script of a deployment."""
    return f"pinakad-script@{identifier}.service"


def command_of(line: str) -> list[str]:
    """Return the command of systemctl that a request asks for. Raises RefusedError."""
    verb, _, identifier = line.partition(" ")
    if verb not in _COMMANDS or not DEPLOYMENT_ID.fullmatch(identifier):
        raise RefusedError("refused: ask for start, stop or show, and the id of a deployment")
    return ["systemctl", "--no-ask-password", *_COMMANDS[verb], unit_of(identifier)]


def answer(connection: socket.socket, owner: int) -> tuple[int, str]:
    """Do what is asked; `owner`: the user id of the daemon, which may ask, besides root. Raises OSError."""
    try:
        asker = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if asker not in (0, owner):
            raise RefusedError(f"refused: user id {asker} is not the daemon's")  # noqa: TRY301 - two ways to be refused
        command = command_of(_line(connection))
    except RefusedError as error:
        return REFUSED, str(error)
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split("\n")[:20])


def _line(connection: socket.socket) -> str:
    """Return what is asked, without its line feed, which must come in time."""
    connection.settimeout(_REQUEST_LIMIT_S)
    data = b""
    while not data.endswith(b"\n") and len(data) <= _MAX_REQUEST_BYTES:
        try:
            more = connection.recv(_MAX_REQUEST_BYTES)
        except TimeoutError:
            more = b""
        if not more:
            raise RefusedError("refused: no whole line came")
        data += more
    return data.decode("ascii", "replace").removesuffix("\n")


def main() -> int:
    """Answer the connection that is stdin."""
    state = os.environ.get("PINAKAD_STATE_DIRECTORY") or "/var/lib/pinakad"
    with socket.socket(fileno=os.dup(0)) as connection:
        code, text = answer(connection, os.lstat(state).st_uid)
        connection.settimeout(_REQUEST_LIMIT_S)
        connection.sendall(f"{code}\n{text}".encode())
    if code == REFUSED:
        sys.stderr.write(f"{text}\n")
    return 0
