"""What do all checks read, and what is a finding?"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from pinakad.cli.checks.account import UNIT_FILE, Account
from pinakad.client.daemon_view import DaemonView
from pinakad.config import Config
from pinakad.report.document import Report


class Weight(StrEnum):
    """`fails`: the next deployment would fail or not begin. `warning`: it holds nobody up, but should be known."""

    FAILS = "fails"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be, and the command or the deed that mends it."""

    weight: Weight
    message: str
    remedy: str


def fails(message: str, remedy: str) -> Finding:
    """Return a finding that would make the next deployment fail."""
    return Finding(Weight.FAILS, message, remedy)


def warning(message: str, remedy: str) -> Finding:
    """Return a finding that holds nobody up."""
    return Finding(Weight.WARNING, message, remedy)


@dataclass(frozen=True)
class CheckContext:
    """All that the checks read. `account` is the daemon's user, `by_systemd` whether units run the script."""

    settings: Config
    config_file: Path
    state_dir: Path
    runtime_dir: Path
    view: DaemonView
    account: Account
    by_systemd: bool

    @property
    def daemon_pid(self) -> int | None:
        """The process of the running daemon, None where none runs or where it does not say."""
        return self.view.daemon.pid if self.view.running and self.view.daemon else None

    def is_refused_to_the_daemon(self, path: str | None) -> bool:
        """Return whether a path that we may not read is one that the daemon needs and has no more rights to than we.

        Where units run the script, root checks the script and hands the key over: the daemon needs neither path.
        """
        account, settings = self.account, self.settings
        if path is None or account.uid != os.geteuid() or not account.groups <= {os.getegid(), *os.getgroups()}:
            return False
        needed = [settings.nodes_dir, settings.markers_dir, self.state_dir, self.runtime_dir]
        needed += [] if self.by_systemd else [settings.script_path, settings.key_path]
        refused = Path(path)
        return any(refused in (place, *place.parents) or place in refused.parents for place in needed)

    @property
    def running(self) -> Report | None:
        """The deployment that runs or waits to be gone on with, None where there is none."""
        report = self.view.report
        return None if report is None or report.is_finished else report

    @property
    def start_command(self) -> str:
        """What starts the daemon here."""
        return "systemctl start pinakad" if UNIT_FILE.exists() else "pinakactl setup && systemctl start pinakad"


class Check(NamedTuple):
    """One check: its name, what is true where it finds nothing, and the function.

    The function may raise PermissionError: the user who runs doctor may have fewer rights than the daemon.
    """

    name: str
    about: str
    find: Callable[[CheckContext], Iterator[Finding]]

    def findings(self, context: CheckContext) -> list[Finding]:
        """Run the check. A path that we may not read is a finding too; a warning where the daemon may read it."""
        found: list[Finding] = []
        try:
            for finding in self.find(context):
                found.append(finding)  # noqa: PERF402 - what was found before the error counts
        except PermissionError as error:
            if context.is_refused_to_the_daemon(error.filename):
                text = f"{context.account.name} may not look at '{error.filename}'"
                return [*found, fails(text, f"chown or chmod it, or what it is in: namei -l {error.filename}")]
            text = f"we may not look at '{error.filename}', the daemon's user ({context.account.name}) may be able to"
            found.append(warning(text, "sudo pinakactl doctor"))
        return found


def is_run_by_systemd(pid: int | None, settings: Config) -> bool:
    """Return whether the daemon gives the script a unit of its own: its command line says so, or its unit would."""
    with suppress(OSError):
        if pid is not None and b"systemd" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return True
    return settings.script.runner == "systemd" or (pid is None and UNIT_FILE.exists())
