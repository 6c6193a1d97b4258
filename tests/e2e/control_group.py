"""A control group for each container: systemd-nspawn --keep-unit would let all of them share ours.

They would then remove each other's groups: a systemd that goes down removes what is empty below its root, also what
another one has just made for a service that it starts ("Failed to attach to cgroup", status 219).
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class ControlGroup:
    """A group below our own in each hierarchy of systemd (cgroups(7)): cgroup2, on hybrid hosts name=systemd too."""

    def __init__(self, name: str) -> None:
        self._folders = [folder / name for folder in _own_folders()]
        for folder in self._folders:
            folder.mkdir()

    def entered_by(self, command: list[str]) -> list[str]:
        """Return the command that enters the group and becomes `command`."""
        enter = "".join(f"echo $$ >{folder}/cgroup.procs && " for folder in self._folders)
        return ["sh", "-c", f'{enter}exec "$@"', "sh", *command]

    def remove(self) -> bool:
        """Remove it; return whether it is gone, which it cannot be while something runs in it."""
        for folder in self._folders:
            _remove(folder)
        return not any(folder.exists() for folder in self._folders)


def remove_all(prefix: str) -> None:
    """Remove the groups that have such names, where nothing runs in them."""
    for own in _own_folders():
        for folder in own.glob(f"{prefix}*"):
            _remove(folder)


def _own_folders() -> Iterator[Path]:
    """Find our own groups (`0::PATH`, `N:name=systemd:PATH`)."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        number, name, path = line.split(":", 2)
        if number == "0":
            mounts = [place for place in (_ROOT / "unified", _ROOT) if (place / "cgroup.controllers").exists()]
        else:
            mounts = [_ROOT / "systemd"] if name == "name=systemd" else []
        yield from (mount / path.lstrip("/") for mount in mounts[:1])


def _remove(folder: Path) -> None:
    for place, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(place).rmdir()
