"""A network of its own with a controller and nodes, and nothing of it left at the end."""

import os
import shutil
import subprocess
from contextlib import ExitStack, suppress
from pathlib import Path

from container import Container, Overlay, wait_for
from control_group import ControlGroup, remove_all

_BASE = Path("/var/tmp")
_PREFIX = "pinakad-e2e-"
_MOST_MOUNTS = 1000
NEEDED = ("systemd-nspawn", "ip", "nsenter", "setpriv", "sshd", "ssh-keygen", "mount")


def why_not() -> str:
    """Return why there can be no lab here, "" where there can."""
    if os.geteuid() != 0:
        return "a real systemd needs root"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"a real systemd needs {', '.join(missing)} (apt-get install systemd-container openssh-server iproute2)"
    return ""


class Lab:
    """Containers on a bridge in a network namespace: no packet of theirs leaves it."""

    def __init__(self) -> None:
        sweep()
        self.name = f"{_PREFIX}{os.getpid()}"
        self.folder = _BASE / self.name
        self._stack = ExitStack()
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        self.folder.mkdir(mode=0o755)
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        _run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", str(self.folder))
        self._stack.callback(_run, "umount", "--lazy", str(self.folder))
        _run("ip", "netns", "add", self.name)
        self._stack.callback(_run, "ip", "netns", "del", self.name)
        _run("ip", "-n", self.name, "link", "add", "br0", "type", "bridge")
        _run("ip", "-n", self.name, "link", "set", "br0", "up")

    def overlay(self, name: str) -> Overlay:
        """Make a root for a container."""
        overlay = Overlay(self.folder / name)
        self._stack.callback(overlay.drop)
        return overlay

    def boot(self, name: str, overlay: Overlay) -> Container:
        """Switch on a container."""
        group = ControlGroup(f"{self.name}-{name}")
        self._stack.callback(wait_for, f"the processes of {name} to end", group.remove)
        container = Container(name, overlay, self.name, "br0", group, self.folder / f"{name}.log")
        self._stack.callback(container.pull_the_plug)
        container.start()
        return container

    def close(self) -> None:
        """Take everything down, last things first; a failure of one does not keep the others up."""
        self._stack.close()


def sweep() -> None:
    """Remove what a session left that was killed. Its containers died with it."""
    for folder in _BASE.glob(f"{_PREFIX}*"):
        if Path("/proc", folder.name.removeprefix(_PREFIX)).exists():
            continue
        for _ in range(_MOST_MOUNTS):
            places = _mounted_below(folder)  # read anew: what was mounted in a place may go with it
            if not places:
                break
            with suppress(subprocess.CalledProcessError):  # another worker may sweep, too
                _run("umount", "--lazy", places[-1])
        with suppress(subprocess.CalledProcessError):
            _run("ip", "netns", "del", folder.name)
        remove_all(folder.name)
        shutil.rmtree(folder, ignore_errors=True)


def _mounted_below(folder: Path) -> list[str]:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [place for mount in mounts if Path(place := mount.split()[1]).is_relative_to(folder)]


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
