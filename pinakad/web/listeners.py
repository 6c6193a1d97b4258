"""On which sockets is it called: those that systemd hands over, or one that is named for a try by hand?"""

import os
import re
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

from pinakad.config import ConfigError
from pinakad.printable import cause_of
from pinakad.tables import WebSettings

_FIRST = 3  # sd_listen_fds(3)
_BACKLOG = 128
_ADDRESS = re.compile(r"(?:\[([0-9a-fA-F:]+)\]|([^:]+)):([0-9]{1,5})")


def passed_sockets(environ: Mapping[str, str] = os.environ) -> list[socket.socket]:
    """Return the sockets that systemd hands over (sd_listen_fds(3)); none where it does not."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    number = int(environ.get("LISTEN_FDS", "0"))
    found = [socket.socket(fileno=descriptor) for descriptor in range(_FIRST, _FIRST + number)]
    for one in found:
        one.set_inheritable(False)
        one.setblocking(False)
    return found


def open_listener(text: str, settings: WebSettings) -> socket.socket:
    """Open a socket: `unix:PATH` or `ADDRESS:PORT`. Raises ConfigError, which says what would be right."""
    try:
        return _unix(Path(text.removeprefix("unix:"))) if text.startswith("unix:") else _tcp(text, settings)
    except OSError as error:
        raise ConfigError(f"cannot listen on '{text}': {cause_of(error)}") from None


def require_tls(found: socket.socket, settings: WebSettings) -> None:
    """Refuse an address that others can reach, unless what they send is encrypted. Raises ConfigError."""
    if found.family == socket.AF_UNIX:
        return
    address = found.getsockname()[0]
    if not ip_address(address.partition("%")[0]).is_loopback and settings.certificate is None:
        text = f"cannot listen on {address}: everybody on the way could read the token. Set certificate and key in "
        raise ConfigError(f"{text}[web], or let a reverse proxy with TLS go to the unix socket")


def _unix(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    found = socket.socket(socket.AF_UNIX)
    before = os.umask(0o117)
    try:
        found.bind(str(path))
    finally:
        os.umask(before)
    found.listen(_BACKLOG)
    return found


def _tcp(text: str, settings: WebSettings) -> socket.socket:
    match = _ADDRESS.fullmatch(text)
    try:
        address, port = ip_address((match[1] or match[2]) if match else ""), int(match[3] if match else "")
    except ValueError:
        right = "write unix:PATH or ADDRESS:PORT, such as 127.0.0.1:7425"
        raise ConfigError(f"cannot listen on '{text}': {right}") from None
    found = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6)  # noqa: PLR2004 - IPv4
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind((str(address), port))
    require_tls(found, settings)
    found.listen(_BACKLOG)
    return found
