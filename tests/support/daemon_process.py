"""The daemon of a test as a child process: started, reloaded and ended as systemd does, or killed as a crash does."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from notify_socket import NotifySocket
from processes import end_all_that_mention
from site_folders import SiteFolders

DEADLINE_S = 20.0
_Found = TypeVar("_Found")


def without_rights() -> list[str]:
    """Return what goes before a command so that modes and owners bind it, as they bind people who are not root."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


class DaemonProcess(SiteFolders):
    """The folders of a site, the daemon that serves them, its log and its notify socket."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.log = root / "pinakad.log"
        self.program = ["-m", "pinakad"]
        self.as_who: list[str] = []  # setpriv(1) and its options, where the daemon is not to be who we are
        self.daemon: subprocess.Popen[bytes] | None = None
        self.notify = NotifySocket()

    def start(self, *, ready: bool = True, **environment: str) -> None:
        """Start the daemon; `ready`: return when it has said so."""
        self.notify.forget()
        own = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "NOTIFY_SOCKET": self.notify.name,
            "WATCHDOG_USEC": "3000000",
        }
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.as_who, sys.executable, *self.program, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=own | environment,
                cwd="/",
            )
        if ready:
            self.wait(lambda: self.notify.count("READY=1") or self.daemon_code() is not None, "READY=1")
            assert self.daemon_code() is None, f"the daemon ended: {self.log_text()}"

    def daemon_code(self) -> int | None:
        """Return the daemon's exit code, None while it lives."""
        assert self.daemon is not None
        return self.daemon.poll()

    def stop(self) -> float:
        """Stop the daemon as systemd does; return how many seconds it took."""
        assert self.daemon is not None
        began_s = time.monotonic()
        self.daemon.terminate()
        assert self.daemon.wait(DEADLINE_S) == 0, self.log_text()
        return time.monotonic() - began_s

    def kill(self) -> None:
        """Kill the daemon as a crash does."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(DEADLINE_S)

    def reload(self) -> None:
        """Make the daemon read its configuration again, and wait until it has."""
        assert self.daemon is not None
        ready = self.notify.count("READY=1")
        self.daemon.send_signal(signal.SIGHUP)
        self.wait(lambda: self.notify.count("READY=1") > ready, "READY=1 after a reload")

    def log_text(self) -> str:
        """Return all that the daemon has logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def close(self) -> None:
        """End whatever still runs: daemon, supervisors, scripts and nodes. No process of another world."""
        if self.daemon is not None:
            self.kill()
        end_all_that_mention(str(self.root))
        super().close()
        self.notify.close()

    def wait(self, found_by: Callable[[], _Found], what: str, deadline_s: float = DEADLINE_S) -> _Found:
        """Return what `found_by` returns as soon as that is anything; fail at the deadline with the daemon's log."""
        ends_s = time.monotonic() + deadline_s
        while not (found := found_by()):
            assert time.monotonic() < ends_s, f"no {what} within {deadline_s:g} s\n{self.log_text()[-6000:]}"
            time.sleep(0.01)
        return found

    def wait_for_log(self, text: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the daemon has logged the text."""
        self.wait(lambda: text in self.log_text(), f"'{text}' in the log", deadline_s)
