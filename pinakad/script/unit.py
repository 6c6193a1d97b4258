"""What does the unit pinakad-script@ID.service run? The supervisor, as root, without trust in the daemon.

Nothing that the daemon's user can write decides what happens here: the paths come from root's configuration, of the
command line only the deployment's id is taken, and the deployment's folder is reached without following a link and then
held by its descriptor. The script reads root's own copy of the snapshot. By root's own record an id is run once, and
one at a time. A refusal is left as a tombstone, so that the daemon need not wait.

$STATE_DIRECTORY and $RUNTIME_DIRECTORY are this unit's own; the daemon's state is in $PINAKAD_STATE_DIRECTORY, where
that is not the default.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from pinakad import config
from pinakad.config import Config, ConfigError
from pinakad.linux.clock import boot_id
from pinakad.linux.ownership import weakness
from pinakad.printable import cause_of
from pinakad.script import records, supervisor
from pinakad.script.environment import environment, make_executable
from pinakad.script.launch_service import DEPLOYMENT_ID
from pinakad.script.processes import TERM_S, processes
from pinakad.script.run_ledger import RunLedger, RunRefusedError
from pinakad.script.snapshot_copy import SnapshotRefusedError, copy_snapshot
from pinakad.script.supervisor import Spec

EXIT_REFUSED = 78  # sysexits.h: EX_CONFIG
_ASK_TIMES, _ASK_LIMIT_S = 5, 12.0  # within TimeoutStopSec= of the unit
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RefusedError(Exception):
    """The script must not be run. The message says why and what would be right."""


def main(words: list[str]) -> int:
    """Run the script of the deployment whose id is the only one of `words`; return the supervisor's exit code."""
    try:
        identifier = _identifier(words)
        folder = open_folder(_daemons_state(), identifier)
    except RefusedError as error:
        _say(str(error))
        return EXIT_REFUSED
    held = f"/proc/self/fd/{folder}"
    try:
        settings = _settings()
        _check_script(settings.script_path)
        ledger = RunLedger(_own_folder("STATE_DIRECTORY"))
        nodes = _begin(ledger, identifier, folder)
    except RefusedError as error:
        _say(str(error))
        with contextlib.suppress(OSError):
            records.claim(held, json.dumps({"schema": 1, "tombstone": True, "cause": str(error)}))
        return EXIT_REFUSED
    signal.signal(signal.SIGTERM, _on_stop)
    signal.signal(signal.SIGALRM, _kill_the_rest)
    code = supervisor.main(_spec(settings, identifier, held, nodes), is_moot=_host_goes_down, on_ended=ledger.end)
    _outlive_the_rest()
    return code


def _identifier(words: list[str]) -> str:
    if len(words) != 1 or not DEPLOYMENT_ID.fullmatch(words[0]):
        raise RefusedError("usage: pinakad run-script ID, the id of a deployment")
    return words[0]


def open_folder(state: Path, identifier: str) -> int:
    """Open a deployment's folder so that it cannot be exchanged under us. Raises RefusedError.

    The way to the state folder is root's; from there on no link is followed, and all of it has one owner.
    """
    try:
        found = weakness(state.parent)
        if found is not None:
            raise RefusedError(f"cannot trust '{state}': {found}")
        descriptor = os.open(state, _FOLDER)
        owner = os.fstat(descriptor).st_uid
        for name in ("deployments", identifier):
            outer, descriptor = descriptor, os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(outer)
            if os.fstat(descriptor).st_uid != owner:
                raise RefusedError(f"cannot use '{name}' in '{state}': it belongs to somebody else")
    except OSError as error:
        raise RefusedError(f"cannot open deployment '{identifier}' in '{state}': {error.strerror}") from None
    return descriptor


def _daemons_state() -> Path:
    return Path(os.environ.get("PINAKAD_STATE_DIRECTORY") or config.DEFAULT_STATE_DIR)


def _own_folder(variable: str) -> Path:
    """Return a folder that systemd has made for this unit (systemd.exec(5))."""
    found = os.environ.get(variable, "").split(":")[0]
    if not found:
        raise RefusedError(f"${variable} is not set: this runs in the unit that pinakactl setup installs")
    return Path(found)


def _begin(ledger: RunLedger, identifier: str, folder: int) -> Path:
    """Copy the snapshot, and write down that this run begins; return the folder of the copy."""
    try:
        nodes = copy_snapshot(folder, _own_folder("RUNTIME_DIRECTORY"))
        ledger.begin(identifier)
    except (RunRefusedError, SnapshotRefusedError) as error:
        raise RefusedError(f"cannot run deployment '{identifier}': {error}") from None
    except OSError as error:
        raise RefusedError(f"cannot begin deployment '{identifier}': {cause_of(error)}") from None
    return nodes


def _settings() -> Config:
    """Read the configuration, which decides what runs here: it must be root's."""
    path, _ = config.config_file(None)
    try:
        found = weakness(path)
    except OSError:
        found = None  # there is none, or `load` raises why it cannot be read
    if found is not None:
        raise RefusedError(f"cannot trust the configuration '{path}': {found}; it must be root's alone")
    try:
        return config.load()
    except ConfigError as error:
        raise RefusedError(str(error)) from None


def _check_script(script: Path) -> None:
    """Refuse a script that somebody else could have written, unless this unit runs with no more rights than theirs."""
    try:
        found = weakness(script, {0, os.getuid()})
    except (FileNotFoundError, NotADirectoryError):
        return  # the daemon found it: it was removed since, and the supervisor leaves why it was not run
    except OSError as error:
        raise RefusedError(f"cannot run '{script}': {cause_of(error)}") from None
    if found is not None:
        text = (
            f"'{script}' is not run with the rights of user id {os.getuid()}: {found}. Put it into a folder of root's "
            "and name it in [paths] script, or set User= for pinakad-script@.service"
        )
        raise RefusedError(text)
    failure = make_executable(script)
    if failure is not None:
        _say(f"cannot set the executable bit of '{script}': {failure}; it runs all the same")


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _spec(settings: Config, identifier: str, held: str, nodes: Path) -> Spec:
    return Spec(
        identifier=identifier,
        folder=held,
        script=str(settings.script_path),
        cwd=str(settings.paths.work_dir),
        environment=environment(identifier, nodes, settings.paths.work_dir),
        output=settings.script.output,
        journal_too=settings.script.output == "file",
        log_max_bytes=settings.script.log_max_bytes,
        boot_id=boot_id(),
    )


# --- the end


def _on_stop(_number: int, _frame: object) -> None:
    """The unit is being stopped: everything in it was sent SIGTERM. Live on, to leave how the script ends.

    When the host goes down, that says nothing: no `exit` is left, as after a power cut, and the daemon decides
    after the boot what that means.
    """
    if _host_goes_down():
        os._exit(0)
    signal.alarm(int(TERM_S))


def _host_goes_down() -> bool:
    """Tell whether systemd is shutting down. Asked twice: by our own SIGTERM, and where the script's came first.

    systemctl runs in our own control group, and may be ended with it: then it is asked again.
    """
    words = ["systemctl", "show", "--property=Job", "--value", "shutdown.target"]
    for _ in range(_ASK_TIMES):
        try:
            asked = subprocess.run(words, capture_output=True, text=True, timeout=_ASK_LIMIT_S, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return False
        if asked.returncode == 0:
            return asked.stdout.strip() not in ("", "0")
    return False


def _kill_the_rest(_number: int, _frame: object) -> None:
    """SIGTERM was not enough."""
    for pid in _the_rest():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    signal.alarm(1)


def _outlive_the_rest() -> None:
    """Wait for what the script left running: systemd would end it with us, the other runner does not."""
    while rest := _the_rest() or _the_rest():  # twice: one that forks and exits meanwhile is missed
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(rest[0])
            watch = select.poll()
            watch.register(descriptor, select.POLLIN)
            watch.poll()
            os.close(descriptor)


def _the_rest() -> list[int]:
    """Return all other processes of our unit."""
    own = _control_group("self")
    if not own:
        return []
    return [item.pid for item in processes() if item.pid != os.getpid() and _control_group(str(item.pid)) == own]


def _control_group(pid: str) -> list[str]:
    """Return where systemd put a process (cgroups(7)): `0::PATH`, on older hosts `N:name=systemd:PATH`."""
    try:
        lines = Path("/proc", pid, "cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = (line.split(":", 2) for line in lines)
    return [path for _, name, path in paths if name in ("", "name=systemd") and path != "/"]
