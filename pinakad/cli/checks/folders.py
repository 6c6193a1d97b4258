"""Are the folders there, may the daemon use them, and is there room on the disks?"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.context import CheckContext, Finding, fails, warning

_LIST = os.R_OK | os.X_OK
_WRITE = _LIST | os.W_OK
_LEAST_BYTES = 32 << 20
_SPARE_BYTES = 64 << 20
_LEAST_FILES = 64


def rights(context: CheckContext) -> Iterator[Finding]:
    """May the daemon use its folders, and could just anybody ask for a deployment?"""
    settings = context.settings
    yield from _one(context, "paths.work_dir", settings.paths.work_dir, os.X_OK)
    yield from _one(context, "paths.nodes", settings.nodes_dir, _LIST)
    yield from _one(context, "paths.markers", settings.markers_dir, _WRITE)
    yield from _coarse_times(settings.markers_dir)
    yield from _one(context, "$STATE_DIRECTORY", context.state_dir, _WRITE)
    yield from _one(context, "$RUNTIME_DIRECTORY", context.runtime_dir, _WRITE)
    if settings.metrics.textfile is not None:
        yield from _textfile(context, settings.metrics.textfile)


def _one(context: CheckContext, name: str, folder: Path, wanted: int) -> Iterator[Finding]:
    account, place = context.account, quote(str(folder))
    try:
        obstacle = account.obstacle(folder, wanted)
    except FileNotFoundError:
        made_by_systemd = name.startswith("$") and context.by_systemd
        by_hand = f"pinakactl setup (or by hand: {_making(account.name, place)})"
        yield fails(f"there is no folder {name} = '{folder}'", context.start_command if made_by_systemd else by_hand)
        return
    status = folder.stat() if obstacle is None else None
    if obstacle is not None:
        yield fails(f"cannot use {name} = '{folder}': {obstacle}", f"chown {account.name} {place}")
    elif status is not None and not stat.S_ISDIR(status.st_mode):
        yield fails(f"cannot use {name} = '{folder}': it is no folder", f"rm {place} && {_making(account.name, place)}")
    elif status is not None and status.st_mode & stat.S_IWOTH:
        yield warning(f"everybody may write in {name} = '{folder}'", f"chmod o-w {place}")


def _coarse_times(folder: Path) -> Iterator[Finding]:
    """A request and the next touch of it differ by their times only: where times are coarse, the daemon has to wait."""
    try:
        seen = [folder.stat(), *(entry.stat(follow_symlinks=False) for entry in os.scandir(folder))]
    except OSError:
        return  # the check of the folder itself finds that
    if all(status.st_ctime_ns % 10**9 == 0 for status in seen):
        text = f"the file system of '{folder}' keeps times in whole seconds: a deployment begins up to 2 s later"
        yield warning(text, "none is needed; a file system such as ext4 or xfs spares that time")


def _textfile(context: CheckContext, file: Path) -> Iterator[Finding]:
    """The numbers hold nobody up. The unit's sandbox shows their folder only where a setup has seen the setting."""
    try:
        obstacle = context.account.obstacle(file.parent, _WRITE)
    except FileNotFoundError:
        obstacle = f"there is no folder '{file.parent}'"
    if obstacle is not None:
        remedy = f"{_making(context.account.name, quote(str(file.parent)))}, then pinakactl setup"
        yield warning(f"the daemon cannot write [metrics] textfile = '{file}': {obstacle}", remedy)
    elif os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
        text = f"the daemon does not replace [metrics] textfile = '{file}': it is no regular file"
        yield warning(text, "name another in [metrics] textfile, or remove what is there")


def _making(user: str, place: str) -> str:
    return f"install -d -o {user} {place}"


def room(context: CheckContext) -> Iterator[Finding]:
    """Is there room for the state, the answer and the script's log?"""
    script = context.settings.script
    log_bytes = script.log_max_bytes if script.launch and script.output == "file" else 0
    for place, more_bytes in (
        (context.state_dir, log_bytes + _SPARE_BYTES),
        (context.settings.markers_dir, 0),
        (context.runtime_dir, 0),
    ):
        folder = next(folder for folder in (place, *place.parents) if folder.exists())
        yield from _room_at(folder, more_bytes)


def _room_at(folder: Path, wanted_bytes: int) -> Iterator[Finding]:
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    usage_command = f"df -h {quote(str(folder))}"
    if disk.f_flag & os.ST_RDONLY:
        yield fails(f"the file system of '{folder}' is read-only", f"mount -o remount,rw {quote(_mount(folder))}")
    if disk.f_blocks == 0:  # the size is not known (statvfs(3))
        return
    if free_bytes < _LEAST_BYTES:
        text = f"only {_megabytes(free_bytes)} are free at '{folder}', {_megabytes(_LEAST_BYTES)} are needed"
        yield fails(text, f"{usage_command}, and make room")
    elif free_bytes < wanted_bytes:
        text = f"only {_megabytes(free_bytes)} are free at '{folder}', the script's log may not be whole"
        yield warning(text, f"{usage_command}, and make room; or lower [script] log_max_bytes")
    if disk.f_files and disk.f_favail < _LEAST_FILES:
        yield fails(f"only {disk.f_favail} more files can be made at '{folder}'", f"df -i {quote(str(folder))}")


def _megabytes(count: int) -> str:
    return f"{count >> 20} MiB"


def _mount(folder: Path) -> str:
    place = folder.resolve()
    while not place.is_mount():
        place = place.parent
    return str(place)
