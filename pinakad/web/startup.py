"""What must hold before the front door opens? Options, configuration, sockets; then it serves until nobody calls."""

import argparse
import asyncio
import logging
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

from pinakad import __version__, config
from pinakad.config import Config, ConfigError
from pinakad.linux.journal import set_up
from pinakad.web.asgi import application
from pinakad.web.credentials import Credentials
from pinakad.web.gate import Gate
from pinakad.web.listeners import open_listener, passed_sockets, require_tls
from pinakad.web.runner import run
from pinakad.web.site import Site
from pinakad.web.table import endpoints

EXIT_CONFIG = 78  # sysexits.h: EX_CONFIG
IDLE_S = 60.0
"""Without a connection it ends after this time; systemd starts it again at the next one."""

log = logging.getLogger(__name__)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line of `pinakad-web`."""
    text = "The front door of pinakad: an HTTP interface and a page. See also: pinakactl web --help"
    made = argparse.ArgumentParser(prog="pinakad-web", description=text)
    made.add_argument("--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml")
    made.add_argument(
        "--listen",
        metavar="WHERE",
        help="unix:PATH or ADDRESS:PORT, for a try by hand; systemd hands over the sockets of pinakad-web.socket",
    )
    made.add_argument(
        "--version", action="version", version=f"pinakad-web {__version__}", help="print the version and exit"
    )
    return made


def main(words: Sequence[str]) -> int:
    """Serve in the foreground and return the exit code."""
    chosen = parser().parse_args(words)
    set_up("info")
    try:
        settings = config.load(chosen.config)
        set_up(settings.log.level)
        _require_no_foreign_folder(settings)
        passed = passed_sockets()
        sockets = [open_listener(chosen.listen, settings.web)] if chosen.listen else passed
        certificate = _certificate(settings, sockets)
    except ConfigError as error:
        for line in str(error).splitlines():
            log.error("%s", line)  # noqa: TRY400 - the operator's, no bug
        return EXIT_CONFIG
    for one in sockets:
        log.debug("listening on %s", one.getsockname())
    if settings.web.compat.enabled:
        text = "[web.compat] is enabled: whoever reaches this service as a page of %s may deploy, without credentials"
        log.warning(text, ", ".join(settings.web.compat.origins))
    run(partial(_application, settings), sockets, certificate, idle_s=IDLE_S if not chosen.listen else None)
    return 0


def _application(settings: Config, ending: asyncio.Event) -> Any:
    site = Site(settings, config.state_dir(), config.runtime_dir(), ending)
    credentials = Credentials(settings.web.token)
    gate = Gate(settings.web, credentials)
    return application(endpoints(site, gate), gate)


def _certificate(settings: Config, sockets: Sequence[socket]) -> tuple[Path, Path] | None:
    """Return certificate and key where there are some; a unix socket needs none. Raises ConfigError."""
    if not sockets:
        text = "there is no socket: systemctl start pinakad-web.socket, or --listen 127.0.0.1:7425 for a try"
        raise ConfigError(text)
    for one in sockets:
        require_tls(one, settings.web)
    web = settings.web
    if web.certificate is None or web.key is None or all(one.family == AF_UNIX for one in sockets):
        return None
    return web.certificate, web.key


def _require_no_foreign_folder(settings: Config) -> None:
    """Raises ConfigError: root would take on the rights of a folder's owner, in every thread at once."""
    if os.geteuid() != 0:
        return
    for folder in _ways((settings.nodes_dir, settings.markers_dir)):
        if folder.exists() and folder.stat().st_uid != 0:
            text = f"root does not run pinakad-web here: '{folder}' is another account's"
            raise ConfigError(f"{text}. Use systemctl start pinakad-web.socket, or run it as that account")


def _ways(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (folder, *folder.parents)
