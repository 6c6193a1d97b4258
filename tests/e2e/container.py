"""A machine with a real systemd, in half a second: systemd-nspawn on an overlay over this machine's root."""

import json
import os
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from control_group import ControlGroup

Found = TypeVar("Found")

REBOOTED = 133  # what systemd-nspawn --keep-unit ends with when the machine reboots
BOOT_LIMIT_S = 60.0
_ETC = Path("etc/systemd/system")
_NEVER = ("systemd-logind.service", "console-getty.service", "getty.target", "systemd-udevd.service", "timers.target")
"""Each inotify instance counts: of all containers together root may have 128 (inotify(7))."""


def wait_for(what: str, look: Callable[[], Found | None], limit_s: float = 30.0) -> Found:
    """Look until there is something, and return it. Fails, saying what never came, after `limit_s` seconds."""
    deadline_s = time.monotonic() + limit_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"waited {limit_s:g} s for {what}, in vain")
        time.sleep(0.05)


class Overlay:
    """A root of our own over this machine's: what is written here is seen in the container only."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        for name in ("root", "upper", "work"):
            (base / name).mkdir(parents=True)
        options = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], check=True)

    def prepare(self, hostname: str, address: str, units: Sequence[str]) -> None:
        """Give it a name and an address, and let only `units` start of what is optional."""
        for folder in (self.root / _ETC).glob("*.wants"):
            shutil.rmtree(folder)
        for name in _NEVER:
            self.write(_ETC / name, None)
        for name in (*units, "systemd-networkd.service"):
            wants = self.root / _ETC / "multi-user.target.wants"
            wants.mkdir(exist_ok=True)
            (wants / name).symlink_to(f"/lib/systemd/system/{name}")
        self.write("etc/hostname", f"{hostname}\n")
        self.write("etc/hosts", f"127.0.0.1 localhost\n{address} {hostname}\n")
        self.write("etc/machine-id", f"{uuid.uuid4().hex}\n")
        network = f"[Match]\nName=host0\n[Network]\nAddress={address}/24\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
        self.write("etc/systemd/network/10-host0.network", network)

    def write(self, path: str | Path, text: str | None, mode: int = 0o644) -> Path:
        """Write a file; with None mask a unit."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        if text is None:
            place.symlink_to("/dev/null")
        else:
            place.write_text(text, encoding="utf-8")
            place.chmod(mode)
        return place

    def drop(self) -> None:
        """Take it down."""
        subprocess.run(["umount", "--lazy", self.root], check=True)


class Container:
    """A booted machine. A reboot inside boots it again, with another boot id, as hardware does."""

    def __init__(
        self, name: str, overlay: Overlay, namespace: str, bridge: str, group: ControlGroup, log: Path
    ) -> None:
        self.name = name
        self.overlay = overlay
        self.boots = 0
        command = [
            "nsenter", f"--net=/run/netns/{namespace}",
            "setpriv", "--pdeathsig", "KILL",
            "systemd-nspawn", "--quiet", "-D", str(overlay.root), "-b", "--register=no", "--keep-unit",
            "--link-journal=no", "--resolv-conf=off", "--timezone=off", "-M", f"{namespace}-{name}",
            f"--network-bridge={bridge}",
            # as on a machine: nspawn's own filter would forbid it
            "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
            "systemd.unit=multi-user.target",
        ]  # fmt: skip
        self._command = group.entered_by(command)
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._leaving = False
        self._keeper = threading.Thread(target=self._keep, name=f"keeper of {name}", daemon=True)

    def start(self) -> None:
        """Switch it on; `wait_until_up` tells when it is there."""
        self._keeper.start()

    def _keep(self) -> None:
        """Boot it again whenever it reboots. The kernel kills it when this thread ends, whyever."""
        with self._log.open("ab") as log:
            while not self._leaving:
                self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                self.boots += 1
                if self._process.wait() != REBOOTED:
                    return

    @property
    def pid(self) -> int | None:
        """Return the pid of its init, None while it has none."""
        process = self._process
        if process is None:
            return None
        try:
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
            inits = [
                int(pid) for pid in children if Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "systemd\n"
            ]
        except OSError:
            return None
        return inits[0] if inits else None

    def wait_until_up(self, boots: int = 0) -> None:
        """Wait until it has booted, `boots` times since it was switched on."""

        def is_up() -> bool:
            if not self._keeper.is_alive():
                raise RuntimeError(f"{self.name} has gone off: {self._log.read_text(encoding='utf-8')[-500:]}")
            if self.boots < boots or self.pid is None:
                return False
            asked = self.run("systemctl", "is-system-running", check=False)
            return asked.stdout.strip() in ("running", "degraded")

        wait_for(f"{self.name} to boot; see {self._log}", is_up, BOOT_LIMIT_S)

    def run(
        self, *words: str, check: bool = True, user: str | None = None, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside and return what it says. `text` is its input."""
        pid = self.pid
        if pid is None:
            return subprocess.CompletedProcess(words, 255, "", "the machine is down")
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"] if user else []
        path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            ["nsenter", "-t", str(pid), "-a", *as_user, *words],
            input=text, stdin=None if text is not None else subprocess.DEVNULL,
            capture_output=True, text=True, check=False, env=path, timeout=120,
        )  # fmt: skip
        if check and done.returncode != 0:
            said = f"{done.stdout}\n{done.stderr}".strip()
            raise AssertionError(f"{self.name}: {' '.join(words)} ended with {done.returncode}: {said}")
        return done

    def out(self, *words: str, check: bool = True) -> str:
        """Run a command inside and return its output."""
        return self.run(*words, check=check).stdout.strip()

    def journal(self, *words: str) -> list[dict[str, Any]]:
        """Return journal records."""
        return [json.loads(line) for line in self.out("journalctl", "-o", "json", "--no-pager", *words).splitlines()]

    def boot_id(self) -> str:
        """Return the id of the present boot."""
        return self.out("cat", "/proc/sys/kernel/random/boot_id")

    def pull_the_plug(self) -> None:
        """End it at once, and everything in it."""
        self._leaving = True
        process = self._process
        if process is not None and process.poll() is None:
            pid = self.pid
            if pid is not None:
                os.kill(pid, 9)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._keeper.join(10)
