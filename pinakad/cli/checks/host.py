"""Do this host's limits suffice, and do file system events come?"""

import asyncio
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pinakad.cli.checks.context import CheckContext, Finding, warning
from pinakad.linux.waiting import wait_until_set
from pinakad.linux.watch import Watch
from pinakad.markers.names import OURS

_SYSCTLS = {"max_user_instances": 16, "max_user_watches": 64}
_SPARE_DESCRIPTORS = 128
_CANARY_LIMIT_S = 4.0
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs"}


def limits(context: CheckContext) -> Iterator[Finding]:
    """May the daemon have enough open files and watches?"""
    most = _open_files(context.daemon_pid)
    with suppress(OSError):
        wanted = sum(1 for entry in os.scandir(context.settings.nodes_dir)) + _SPARE_DESCRIPTORS
        if most is not None and most < wanted:
            text = f"the daemon may have {most} files open, {wanted} would be needed to ask all nodes at once"
            yield warning(text, f"systemctl edit pinakad: [Service] LimitNOFILE={wanted}")
    for name, least in _SYSCTLS.items():
        with suppress(OSError, ValueError):
            value = int(Path("/proc/sys/fs/inotify", name).read_text(encoding="ascii"))
            if value < least:
                text = f"fs.inotify.{name} is {value}: events may not come, rescans take over"
                yield warning(text, f"sysctl -w fs.inotify.{name}={least * 8}")


def _open_files(pid: int | None) -> int | None:
    """Return the soft limit of open files of the daemon (proc(5)); None where there is none to be seen."""
    with suppress(OSError, ValueError, StopIteration):
        lines = Path(f"/proc/{pid}/limits").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("Max open files")).split()[3])
    return None


def watches(context: CheckContext) -> Iterator[Finding]:
    """Does a canary of our own come back as an event, and can the folders be watched?"""
    folders = (context.settings.markers_dir, context.settings.nodes_dir)
    with tempfile.TemporaryDirectory(prefix="pinakad-doctor-") as name:
        ours, proof = Path(name, "ours"), Path(name, "proof")
        ours.mkdir()
        proof.mkdir()
        trouble = asyncio.run(_canary(ours, proof, [folder for folder in folders if folder.is_dir()]))
    if trouble:
        text = f"file system events do not come ({trouble}): requests are seen by rescans, every 5 seconds"
        yield warning(text, "sysctl fs.inotify, and raise what is too low")
    for folder in folders:
        kind = file_system(folder, Path("/proc/self/mounts").read_text(encoding="utf-8"))
        if kind in _REMOTE:
            text = f"'{folder}' is on {kind}: what other hosts write there is seen by rescans, every 5 seconds"
            yield warning(text, "put it on a disk of this host, or live with the delay")


async def _canary(ours: Path, proof: Path, folders: list[Path]) -> str:
    """Watch the folders as the daemon does, and one with a canary; return what is wrong, "" for nothing."""
    logging.getLogger("pinakad.linux.watch").setLevel(logging.ERROR)  # what it warns of is what we return
    came = asyncio.Event()
    watch = Watch(ours, OURS, {proof: came.set, **dict.fromkeys(folders, _nothing)})
    watch.start()
    try:
        watch.ensure()
        came.clear()  # it is set when a watch begins
        (proof / "canary").touch()
        if not await wait_until_set(came, _CANARY_LIMIT_S):
            return watch.trouble or "a canary's event did not come"
    finally:
        watch.stop()
    return watch.trouble


def _nothing() -> None:
    """What happens in the daemon's folders meanwhile is none of our business."""


def file_system(folder: Path, mounts: str) -> str:
    """Return the type of the file system that `folder` is on, by the text of /proc/self/mounts (fstab(5))."""
    place, best, kind = folder.resolve(), -1, ""
    for line in mounts.splitlines():
        _, mount, found, *_ = line.split()
        point = Path(mount.replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), found
    return kind
