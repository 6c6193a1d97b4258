"""The front door of a test as a child process, and clients that call it as programs and browsers do."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from world import World

from pinakad.web.table import API

DEADLINE_S = 20.0


@dataclass(frozen=True)
class Reply:
    """An answer: its status, its headers (names in lower case), its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the document."""
        return json.loads(self.body)


class UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path, timeout: float = DEADLINE_S) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class FrontDoor:
    """One pinakad-web for a world, on a unix socket and on a port, both handed over as systemd does."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.path = world.root / "http.sock"
        self.log = world.root / "web.log"
        self.token_file = world.root / "web-token"
        self.token = ""
        self.rotate()
        world.configure(web={"token": self.token_file})
        self._listeners = self._listen()
        self.port: int = self._listeners[1].getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def _listen(self) -> list[socket.socket]:
        unix, tcp = socket.socket(socket.AF_UNIX), socket.socket()
        unix.bind(str(self.path))
        tcp.bind(("127.0.0.1", 0))
        for listener in (unix, tcp):
            listener.listen(128)
        return [unix, tcp]

    def rotate(self) -> str:
        """Write another token, and return it."""
        self.token = secrets.token_urlsafe(32)
        self.token_file.write_text(self.token + "\n", encoding="ascii")
        return self.token

    def start(self) -> None:
        """Start the process with the listeners as descriptors 3 and 4 (sd_listen_fds(3)); do not wait for it."""
        first, second = (listener.fileno() for listener in self._listeners)
        program = f'exec 3<&{first} 4<&{second}; LISTEN_PID=$$ exec "$0" -m pinakad.web --config "$1"'
        environment = {
            "PATH": os.environ["PATH"],
            "STATE_DIRECTORY": str(self.world.state),
            "RUNTIME_DIRECTORY": str(self.world.runtime),
            "LISTEN_FDS": "2",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["bash", "-c", program, sys.executable, str(self.world.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                pass_fds=(first, second),
            )

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End the process by a signal; return how many seconds it took."""
        assert self.process is not None
        began_s = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        assert code == (0 if number == signal.SIGTERM else -number), self.log_text()
        return time.monotonic() - began_s

    def close(self) -> None:
        """End it, and close the listeners."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE_S)
        for listener in self._listeners:
            listener.close()

    def log_text(self) -> str:
        """Return what it has logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    @property
    def url(self) -> str:
        """The address for a browser."""
        return f"http://localhost:{self.port}"

    # --- clients

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        unix: bool = True,
        raw: bytes | None = None,
    ) -> Reply:
        """Call a path below /api/v1, or, where it begins with `//`, from the root on. `raw`: a body as it is."""
        tcp = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection = UnixConnection(self.path) if unix else tcp
        sent = raw if raw is not None else (None if body is None else json.dumps(body).encode())
        named = {"Host": "localhost" if unix else f"localhost:{self.port}"}
        if sent is not None:
            named["Content-Type"] = "application/json"
        try:
            place = path[1:] if path.startswith("//") else API + path
            connection.request(method, place, sent, named | dict(headers or {}))
            found = connection.getresponse()
            return Reply(found.status, {key.lower(): value for key, value in found.getheaders()}, found.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Any:
        """Return the document at a path; fails where it is refused."""
        reply = self.call("GET", path, headers=headers)
        assert reply.status == 200, (reply.status, reply.body)
        return reply.json()

    def post(self, path: str, body: Any = None) -> Reply:
        """Post a document, again where orders come too fast."""
        while (reply := self.call("POST", path, {} if body is None else body)).status == 429:
            time.sleep(float(reply.headers["retry-after"]) / 4)
        return reply

    @property
    def bearer(self) -> dict[str, str]:
        """The header with the token."""
        return {"Authorization": f"Bearer {self.token}"}

    def wait_for(self, what: str, phase: str = "finished") -> Any:
        """Wait until the latest deployment, whose request has the id `what`, is in a phase; return its summary."""

        def found() -> Any:
            run = self.get("/status")["deployment"]
            return run if run and run["phase"] == phase and what in (run["request"]["id"] or "") else None

        return self.world.wait(found, f"a deployment of {what} that is {phase}", 60)
