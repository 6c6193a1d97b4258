"""Notifies systemd that pinakad is ready or alive, and of its status (sd_notify(3))."""

import os
from collections.abc import Mapping

from sdnotify import SystemdNotifier

MAX_STATUS = 300


class Notifier:
    """Sends notifications to the service manager; without one, or where it does not read, a call does nothing."""

    def __init__(self) -> None:
        self._notifier = SystemdNotifier()
        if self._notifier.socket is not None:
            self._notifier.socket.setblocking(False)  # a full queue must not stop the main loop
        self._status = ""

    def ready(self) -> None:
        """Report the end of the start, or of a reload: folders are watched, an unfinished deployment is resumed."""
        self._send("READY=1")

    def alive(self) -> None:
        """Report that the main loop and its tasks make progress; see `watchdog_interval_s`."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Report that SIGHUP is being handled; `ready` ends the reload."""
        self._send("RELOADING=1")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Send the status text, cut at MAX_STATUS characters; an unchanged one is not sent again."""
        if text != self._status:
            self._status = text
            self._send(f"STATUS={text[:MAX_STATUS]}")

    def _send(self, state: str) -> None:
        # sdnotify drops the whole message, READY included, where a character is not Latin-1
        self._notifier.notify(state.replace("\n", " ").encode("ascii", "replace").decode())


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """Return the interval in seconds for calls of `alive`, None without a watchdog (sd_watchdog_enabled(3))."""
    try:
        limit_s = int(environ["WATCHDOG_USEC"]) / 1e6
        meant = int(environ.get("WATCHDOG_PID", os.getpid())) == os.getpid()
    except (KeyError, ValueError):
        return None
    return limit_s / 3 if meant and limit_s > 0 else None
