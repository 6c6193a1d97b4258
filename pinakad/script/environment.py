"""Can the script's file be run, and with which environment?"""

import os
import pwd
import stat
from pathlib import Path

from pinakad.printable import cause_of
from pinakad.script.processes import ID_VARIABLE, NODES_VARIABLE

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unreadable(script: Path) -> str:
    """Return why the script cannot be run, "" where it can. Raises OSError, also where there is none."""
    if not stat.S_ISREG(script.stat().st_mode):
        return "it is not a file"
    with script.open("rb"):
        return ""


def make_executable(script: Path) -> str | None:
    """Set the executable bit, for everybody who may read it; return why that failed. It runs without it too."""
    try:
        mode = stat.S_IMODE(script.stat().st_mode)
        if not mode & stat.S_IXUSR:
            script.chmod(mode | stat.S_IXUSR | (mode & (stat.S_IRGRP | stat.S_IROTH)) >> 2)
    except OSError as error:
        return cause_of(error)
    return None


def environment(identifier: str, nodes: Path, work_dir: Path) -> dict[str, str]:
    """Return the whole environment of the script."""
    home, name, shell = account(os.getuid())
    return {
        "HOME": home,
        "USER": name,
        "LOGNAME": name,
        "SHELL": shell,
        "PATH": _PATH,
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        ID_VARIABLE: identifier,
        NODES_VARIABLE: str(nodes),
        "PINAKAD_WORK_DIR": str(work_dir),
    }


def account(user_id: int) -> tuple[str, str, str]:
    """Return home, name and shell of a user; one without an account, as in a container, has `/`, its number and sh."""
    try:
        found = pwd.getpwuid(user_id)
    except KeyError:
        return "/", str(user_id), "/bin/sh"
    return found.pw_dir, found.pw_name, found.pw_shell or "/bin/sh"
