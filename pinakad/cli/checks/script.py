"""Can the deployment script be run, and who else could change or run it?"""

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.cli.install.backends import find_backends
from pinakad.linux.ownership import weakness
from pinakad.printable import cause_of, printable
from pinakad.script.permissions import refusal

_BASH = Path("/bin/bash")
_SYNTAX_LIMIT_S = 10


def script(context: CheckContext) -> Iterator[Finding]:
    """Is the script there, may it be run, is it bash, and does nobody else run it?"""
    if not context.settings.script.launch:
        return
    path = context.settings.script_path
    if not _BASH.exists():
        yield fails(f"there is no '{_BASH}', which runs the script", "apt-get install bash")
    try:
        status = path.stat()
        obstacle = None if context.by_systemd else context.account.obstacle(path, os.R_OK)
    except PermissionError:
        raise  # we may not look: that says nothing about the daemon
    except OSError as error:
        text = f"cannot run the script '{path}': {cause_of(error)}"
        yield fails(text, f"install -D -m 0755 deployment_service.sh {quote(str(path))}, or set [paths] script")
        return
    if not stat.S_ISREG(status.st_mode):
        yield fails(f"cannot run the script '{path}': it is not a file", f"set [paths] script in {context.config_file}")
        return
    if obstacle is not None:
        yield fails(f"cannot run the script '{path}': {obstacle}", f"chmod a+r {quote(str(path))}")
    if status.st_size == 0:
        yield warning(f"the script '{path}' is empty: nothing would be deployed", "write it")
    yield from _syntax(path)
    yield from _trust(context, path)
    yield from _others(path, adopted=context.settings.script.foreign == "adopt")


def _syntax(path: Path) -> Iterator[Finding]:
    """`bash -n` reads a script and runs nothing of it."""
    if not os.access(path, os.R_OK) or not _BASH.exists():
        return
    words = [str(_BASH), "-n", str(path)]
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SYNTAX_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return
    if done.returncode != 0:
        said = printable(done.stderr.decode(errors="replace").partition("\n")[0])
        yield fails(f"bash cannot read the script: {said}", f"mend it, and try: bash -n {quote(str(path))}")


def _trust(context: CheckContext, path: Path) -> Iterator[Finding]:
    """What runs as root must be root's; else whoever can change it decides what runs as the daemon's user."""
    own = f"put it into a folder of root's and name it in [paths] script in {context.config_file}"
    try:
        found = weakness(path, {0} if context.by_systemd else {0, context.account.uid})
        refused = None if context.by_systemd or context.account.uid != 0 else refusal(path)
    except OSError as error:
        yield warning(f"cannot look at the way to '{path}': {cause_of(error)}", "sudo pinakactl doctor")
        return
    if context.by_systemd and found is not None:
        remedy = f"{own}, or set User= for the script: systemctl edit pinakad-script@.service"
        yield fails(f"the script would run as root, but {found}: it is refused", remedy)
    elif refused is not None:
        yield fails(f"the script is refused: {refused}", own)
    elif found is not None:
        yield warning(f"{found}, and with it what runs as {context.account.name}", f"chmod go-w, or {own}")


def _others(path: Path, *, adopted: bool) -> Iterator[Finding]:
    """A back end that starts the script itself: its run is adopted where it begins before ours, or else doubled."""
    remedy = "end that, or set [script] launch = false: then pinakad only watches the nodes"
    for found in find_backends(Path("/"), path):
        now = found.startswith("process ")
        now_text = "a deployment would wait for its end, and not know its exit status"
        if not adopted:
            now_text = "a deployment would fail with script_already_running"
        text = f"{found}; {now_text}" if now else f"{found}: it may run twice"
        yield (fails if now and not adopted else warning)(text, remedy)
