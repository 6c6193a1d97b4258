"""Nodes to log in to: a real sshd on a loopback address of its own, with its own boot id, uptime and host name."""

import os
import pwd
import secrets
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shutil import which

from processes import descendants
from site_folders import write_key
from world import World

SSHD = which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ.get("PATH", ""))
_START_S = 10.0
# the daemon asks the kernel; here each node answers from files of its own
_SHELL = """#!/bin/sh
command=$(printf '%s' "$SSH_ORIGINAL_COMMAND" | sed \\
  -e 's#cat /proc/sys/kernel/random/boot_id#cat {folder}/boot_id#g' \\
  -e 's#cat /proc/uptime#/bin/sh {folder}/uptime#g' \\
  -e 's#uname -n#cat {folder}/hostname#g')
exec /bin/sh -c "$command"
"""
_UPTIME = 'awk -v booted="$(cat {folder}/booted)" \'{{ printf "%.2f %.2f\\n", $1 - booted, $2 }}\' /proc/uptime\n'
_CONFIG = """ListenAddress {address}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
ForceCommand /bin/sh {folder}/shell
StrictModes no
UsePAM no
PidFile none
UseDNS no
MaxStartups 1000
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel VERBOSE
SetEnv SHLVL=9
"""


def free_port() -> int:
    """Return a TCP port that is free on every address just now."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))  # noqa: S104 - bound for a moment, nothing listens
        return int(probe.getsockname()[1])


class Sshd:
    """A node. It is up between `start` and `stop`; `reboot` gives it another boot id."""

    def __init__(self, folder: Path, address: str, port: int, hostname: str, public_key: str) -> None:
        self.folder = folder
        self.address = address
        self._port = self.port = port
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir()
        self.allow(public_key)
        self.rename(hostname)
        for name, text in (("shell", _SHELL), ("uptime", _UPTIME), ("sshd_config", _CONFIG)):
            filled = text.format(folder=folder, address=address, port=port)
            (folder / name).write_text(filled, encoding="utf-8")
        self.new_host_key()
        self.boot_id = ""
        self._boot()

    def start(self) -> None:
        """Bring it up, and return when it listens."""
        assert SSHD is not None
        log = self.folder / "sshd.log"
        log.unlink(missing_ok=True)
        command = [SSHD, "-D", "-f", str(self.folder / "sshd_config"), "-E", str(log)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        ends_s = time.monotonic() + _START_S
        while not log.exists() or "Server listening on" not in log.read_text(encoding="utf-8"):
            assert self._process.poll() is None, log.read_text(encoding="utf-8")
            assert time.monotonic() < ends_s, "sshd does not listen"
            time.sleep(0.01)

    def stop(self) -> None:
        """Take it down with all its connections, as a machine goes."""
        if self._process is None:
            return
        for pid in descendants(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def reboot(self, *, host_key: bool = False, up: bool = True) -> None:
        """Go down; come back with another boot id, and (`host_key`) as a reinstalled machine does."""
        self.stop()
        self._boot()
        if host_key:
            self.new_host_key()
        if up:
            self.start()

    def reboot_unseen(self) -> None:
        """Be another boot without having been away: between two attempts nobody has looked."""
        self._boot()

    def rename(self, hostname: str) -> None:
        """Give the machine another name of its own."""
        (self.folder / "hostname").write_text(hostname + "\n", encoding="utf-8")

    def allow(self, public_key: str) -> None:
        """Let only this key in."""
        (self.folder / "authorized_keys").write_text(public_key + "\n", encoding="utf-8")

    def forget_shell(self) -> None:
        """Let logins in, but run nothing for them."""
        (self.folder / "shell").write_text("exit 1\n", encoding="utf-8")

    def new_host_key(self) -> None:
        """Take another host key."""
        self.host_key = write_key(self.folder / "host_key")

    def logins(self) -> int:
        """Return how many logins there were since it came up."""
        return (self.folder / "sshd.log").read_text(encoding="utf-8").count("Accepted publickey")

    def booted_ago(self, seconds: float) -> None:
        """Make it say that it booted so long ago."""
        now_s = time.clock_gettime(time.CLOCK_BOOTTIME)
        (self.folder / "booted").write_text(f"{now_s - seconds:.2f}\n", encoding="utf-8")

    def _boot(self) -> None:
        self.boot_id = str(uuid.uuid4())
        (self.folder / "boot_id").write_text(self.boot_id + "\n", encoding="utf-8")
        self.booted_ago(0)


class Machines:
    """The sshd nodes of a world, by number. All of them listen on the port of its configuration."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._port = free_port()
        self._all: dict[int, Sshd] = {}
        self._control: threading.Thread | None = None
        self._pipes: list[int] = []
        self.failure: BaseException | None = None
        world.configure(ssh={"port": self._port, "user": _own_name()})

    def __getitem__(self, number: int) -> Sshd:
        return self._all[number]

    @property
    def port(self) -> int:
        """The port of all of them."""
        return self._port

    def add(self, number: int, hostname: str | None = None, *, up: bool = True) -> Sshd:
        """Make the machine at `world.address(number)`; `up`: it runs."""
        name = hostname or f"sqdn-{number:03d}"
        folder = self._world.root / f"machine-{number}"
        machine = Sshd(folder, self._world.address(number), self._port, name, self._world.public_key)
        machine.booted_ago(86400)  # long before any deployment
        self._all[number] = machine
        if up:
            machine.start()
        return machine

    def on_call(self, act: Callable[[str], None]) -> Callable[[str], str]:
        """Let the script have things done: `act(word)` in a thread. Return what makes a script's line of a word.

        The line returns in the script when the deed is done.
        """
        call, done = self._world.root / "call", self._world.root / "done"
        calls, answers = (self._pipe(path) for path in (call, done))

        def serve() -> None:
            with os.fdopen(os.dup(calls), encoding="utf-8") as lines:
                while (word := lines.readline().strip()) != _END:
                    try:
                        act(word)
                    except BaseException as error:  # noqa: BLE001 - told at the end of the test
                        self.failure = error
                    os.write(answers, b"done\n")

        self._control = threading.Thread(target=serve, name="machines", daemon=True)
        self._control.start()
        return lambda word: f'echo "{word}" > "{call}"; read -r _ < "{done}"'

    def _pipe(self, path: Path) -> int:
        """Make a FIFO that is open at both ends as long as the test runs: nobody waits for a partner."""
        os.mkfifo(path)
        self._pipes.append(os.open(path, os.O_RDWR))
        return self._pipes[-1]

    def close(self) -> None:
        """Take all of them down. What went wrong when the script called is raised here."""
        if self._control is not None:
            os.write(self._pipes[0], f"{_END}\n".encode())
            self._control.join(_START_S)
        for descriptor in self._pipes:
            os.close(descriptor)
        for machine in self._all.values():
            machine.stop()
        if self.failure is not None:
            raise self.failure


_END = secrets.token_hex(4)


def _own_name() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
