"""May pinakad be set up on this machine, and what should its operator know before?"""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pinakad.cli.install.backends import find_backends
from pinakad.cli.install.installation import HIDDEN, UNIT_SAFE, folders, seen_on
from pinakad.config import Config
from pinakad.linux.ownership import weakness
from pinakad.linux.walk import resolved_in
from pinakad.printable import cause_of

_PROGRAMS = ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "journalctl")


def obstacles(settings: Config, root: Path) -> Iterator[str]:
    """Return a line for everything that prevents a setup, before anything is changed."""
    if os.geteuid() != 0:
        yield "only root can set up a service: run it with sudo"
    if root == Path("/") and not Path("/run/systemd/system").is_dir():
        yield "this machine was not booted with systemd; for an image there is --root DIR"
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        yield f"cannot find {', '.join(missing)}: install systemd"
    yield from _program_obstacles(root)
    yield from _path_obstacles(settings)
    if settings.script.launch:
        for found in find_backends(root, settings.script_path):
            yield (
                f"a back end here starts the script itself: {found}. It would run twice: end that, or set "
                "[script] launch = false, and pinakad only watches the nodes"
            )


def cautions(settings: Config, root: Path) -> Iterator[str]:
    """Return a line for everything that does not prevent the setup, but will prevent a deployment."""
    script = settings.script_path
    place = next((path for path in (script, *script.parents) if resolved_in(root, path).exists()), Path("/"))
    found = weakness(resolved_in(root, place)) if settings.script.launch else None
    if found is not None:
        yield (
            f"the script '{script}' would run as root, but {found}. It will be refused: put it into a folder of "
            "root's and name it in [paths] script, or set User= for it (systemctl edit pinakad-script@.service)"
        )


def web_obstacles() -> Iterator[str]:
    """Return a line where the packages of the front door are missing."""
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        yield f"cannot find {', '.join(missing)}: the front door needs the extra, pip install 'pinakad[web]'"


def work_dir_owner(settings: Config, root: Path) -> str:
    """Return who is to own new folders on the way to the script: root, or the uid that owns the work_dir already."""
    for folder in (settings.paths.work_dir, *settings.paths.work_dir.parents):
        place = resolved_in(root, folder)
        if place.is_dir():
            return "root" if place.stat().st_uid == 0 else str(place.stat().st_uid)
    return "root"


def _program_obstacles(root: Path) -> Iterator[str]:
    """The daemon runs in a sandbox, and its script's unit as root: where is the program, and who could change it?"""
    places = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).resolve().parents[2])
    for place in (seen_on(root, place) for place in places):
        if any(place.is_relative_to(folder) for folder in HIDDEN):
            yield f"'{place}' is out of the service's reach: make the virtual environment below /opt"
    for place in (Path(sys.prefix) / "bin" / "python", Path(__file__).resolve()):
        try:
            found = weakness(place)
        except OSError as error:
            found = f"cannot look at '{place}': {cause_of(error)}"
        if found is not None:
            yield f"the program would run as root, but {found}"


def _path_obstacles(settings: Config) -> Iterator[str]:
    for path, *_ in folders(settings):
        if not UNIT_SAFE.fullmatch(str(path)):
            yield f"cannot put the path '{path}' into a unit: use letters, digits and _ . / @ + - only"
