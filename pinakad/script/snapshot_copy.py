"""Root's own copy of a snapshot: the script reads files that the daemon's user cannot exchange, and of bounded size."""

import os
import stat
from pathlib import Path

from pinakad.linux.files import read_up_to
from pinakad.nodes.node_file import number_of
from pinakad.nodes.strict_json import MAX_BYTES

MAX_FILES = 100_000
MAX_TOTAL_BYTES = 256 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC  # opens nothing: a device does not notice
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE = 0o640


class SnapshotRefusedError(Exception):
    """The snapshot is not what the daemon writes. The message says what is wrong with it."""


def copy_snapshot(deployment: int, target: Path) -> Path:
    """Copy `nodes` of a deployment's folder, given by its descriptor, into `target`; return the folder of the copy.

    Only regular files of the snapshot's owner, with the name of a node file, and not more of it than half of what
    `target` has room for. Raises SnapshotRefusedError and OSError.
    """
    copy = target / "nodes"
    copy.mkdir(mode=0o755)
    disk = os.statvfs(copy)
    left = min(MAX_TOTAL_BYTES, disk.f_bavail * disk.f_frsize // 2)
    source = os.open("nodes", _FOLDER, dir_fd=deployment)
    place = os.open(copy, _FOLDER)
    try:
        owner = os.fstat(source)
        for name in _names(source):
            data = _read(source, name, owner.st_uid)
            left -= len(data)
            if left < 0:
                raise SnapshotRefusedError(f"there is no room for the snapshot in '{copy}'")
            _write(place, name, data, owner.st_gid)
    finally:
        os.close(source)
        os.close(place)
    return copy


def _names(folder: int) -> list[str]:
    """Return the names. Of a folder with too many, no more are read than it takes to see that."""
    names: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if number_of(entry.name) is None:
                raise SnapshotRefusedError(f"{entry.name!a} in the snapshot is not named like a node file")
            if len(names) == MAX_FILES:
                raise SnapshotRefusedError(f"the snapshot has more than {MAX_FILES} files")
            names.append(entry.name)
    return names


def _read(folder: int, name: str, owner: int) -> bytes:
    held = os.open(name, _NAME, dir_fd=folder)
    try:
        status = os.fstat(held)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != owner:
            raise SnapshotRefusedError(f"'{name}' in the snapshot is not a regular file of its owner's")
        descriptor = os.open(f"/proc/self/fd/{held}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = read_up_to(descriptor, MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    finally:
        os.close(held)
    if len(data) > MAX_BYTES:
        raise SnapshotRefusedError(f"'{name}' in the snapshot is larger than {MAX_BYTES} bytes")
    return data


def _write(folder: int, name: str, data: bytes, group: int) -> None:
    """The group may read it, as it may read the snapshot: a script may drop root's rights."""
    descriptor = os.open(name, _NEW, _MODE, dir_fd=folder)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, _MODE)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)
