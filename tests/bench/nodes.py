"""The nodes of the bench: one listener on 0.0.0.0 is as many nodes as anybody asks for. Each kind is a process.

python tests/bench/nodes.py KIND PORT [FOLDER]   ends with its stdin
"""

import logging
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

import paramiko

from pinakad.linux.limits import allow_many_files
from pinakad.login.facts import facts_output

ALL = "0.0.0.0"  # noqa: S104 - every address of 127/8 is a node
_FACTS = ("11111111-2222-3333-4444-555555555555", "100.0 200.0", "n")
_SSHD = """ListenAddress {all}:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PidFile none
UseDNS no
MaxStartups 10000
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel QUIET
SetEnv SHLVL=9
"""


@contextmanager
def running(kind: str, port: int, folder: Path = Path()) -> Iterator[None]:
    """Have nodes of a kind on a port: `up` (in-process logins), `mute` (a banner, then nothing)."""
    command = [sys.executable, __file__, kind, str(port), str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


@contextmanager
def sshd(folder: Path, port: int) -> Iterator[None]:
    """Have a real sshd; the shell of a login reads no start-up file."""
    Path("/run/sshd").mkdir(exist_ok=True)
    (folder / "sshd_config").write_text(_SSHD.format(all=ALL, port=port, folder=folder), encoding="utf-8")
    program = which("sshd", path="/usr/sbin:" + os.environ["PATH"]) or "sshd"
    with subprocess.Popen(
        [program, "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
    ) as process:
        try:
            for _ in range(100):
                with suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.1):
                    break
            yield
        finally:
            process.terminate()


def write_keys(folder: Path) -> str:
    """Make the keys of nodes and client, and return the path of the client's."""
    for name in ("host_key", "key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    (folder / "authorized_keys").write_bytes((folder / "key.pub").read_bytes())
    return str(folder / "key")


def _listen(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((ALL, port))
    sock.listen(65535)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return sock


def _mute(port: int) -> None:
    """Give a banner and no key exchange; hold each connection until its client ends it."""
    server, held, watched = _listen(port), dict[int, socket.socket](), select.epoll()
    watched.register(server, select.EPOLLIN)
    while True:
        for descriptor, _ in watched.poll():
            if descriptor == server.fileno():
                with suppress(OSError):
                    connection, _ = server.accept()
                    connection.send(b"SSH-2.0-mute\r\n")
                    held[connection.fileno()] = connection
                    watched.register(connection, select.EPOLLRDHUP)
            else:
                held.pop(descriptor).close()


class _Up(paramiko.ServerInterface):
    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        threading.Thread(target=_answer, args=(channel, command.decode())).start()
        return True


def _answer(channel: paramiko.Channel, command: str) -> None:
    with suppress(OSError, EOFError, paramiko.SSHException):
        channel.sendall((facts_output(command, _FACTS) or "").encode())
        channel.send_exit_status(0)
        channel.shutdown_write()


def _serve(connection: socket.socket, host_key: paramiko.PKey) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as sshd(8) does
    with suppress(OSError, EOFError, paramiko.SSHException):
        transport = paramiko.Transport(connection)
        transport.add_server_key(host_key)
        transport.start_server(server=_Up(), event=threading.Event())
        transport.join(60)


def _up(port: int, folder: Path) -> None:
    """Let everybody in, 32 at a time."""
    host_key = paramiko.PKey.from_path(folder / "host_key")
    server = _listen(port)
    with ThreadPoolExecutor(32) as workers:
        while True:
            workers.submit(_serve, server.accept()[0], host_key)


if __name__ == "__main__":
    allow_many_files()
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)
    threading.Thread(target=lambda: os.read(0, 1) or os._exit(0), daemon=True).start()
    _mute(int(sys.argv[2])) if sys.argv[1] == "mute" else _up(int(sys.argv[2]), Path(sys.argv[3]))
