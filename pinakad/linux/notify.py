"""Tells systemd that pinakad is ready, alive, and what it does (sd_notify(3))."""

import os
from collections.abc import Mapping

from sdnotify import SystemdNotifier

MAX_STATUS = 300


class Notifier:
    """Talks to the service manager; without one every call does nothing."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()
        if self._notifier.socket is not None:
            self._notifier.socket.setblocking(False)  # a full queue must not stop the main loop
        self._status = ""

    def ready(self) -> None:
        """The watches stand and an unfinished deployment has been picked up."""
        self._send("READY=1")

    def alive(self) -> None:
        """The main loop and what it drives make progress."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """SIGHUP is being handled; `ready` ends it."""
        self._send("RELOADING=1")

    def stopping(self) -> None:
        """The daemon goes."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in words what is going on; what has not changed is not sent again."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text[:MAX_STATUS]}")

    def _send(self, state: str) -> None:
        # sdnotify drops the whole message, READY included, where a character is not Latin-1
        self._notifier.notify(state.replace("\n", " ").encode("ascii", "replace").decode())


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return how often `alive` must be called, None where nobody listens (sd_watchdog_enabled(3))."""
    try:
        limit_s = int(environ["WATCHDOG_USEC"]) / 1e6
        meant = int(environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return limit_s / 3 if meant and limit_s > 0 else None
