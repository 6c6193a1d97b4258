"""What was logged in a deployment: by the daemon, and by the deployment script?"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click

from pinakad import config
from pinakad.cli.console.complete import complete_ids
from pinakad.cli.console.session import FaultError, Session, pass_session
from pinakad.client.lookup import choose_id
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.printable import cause_of
from pinakad.script.output import LOG
from pinakad.script.records import STARTED
from pinakad.state.store import Store

JOURNAL_NAME = "pinakad-script"
"""How the supervisor names its stream to the journal."""
_MAX_RECORD_BYTES = 1 << 16
_BOOT_ID = re.compile(r"[0-9a-f-]{32,36}")

_HELP = """Tell what was logged in a deployment.

\b
  pinakactl logs                            the latest deployment's journal: daemon and script
  pinakactl logs -f                         and what comes next
  pinakactl logs 7 --script                 only what the script of deployment ....0007 said
  pinakactl logs -f --script | tee out.txt

ID is a deployment's id, the beginning of one, or its counter; pinakactl history lists them. Where the journal has
nothing of the deployment, it is what its script said (script.log) in any case.
In a pipe the script's output is as it was written. On a terminal its control characters are escaped, but for colours.
With -f, the script's log ends when the script has ended.
"""


@click.command(help=_HELP)
@click.argument("identifier", metavar="[ID]", required=False, shell_complete=complete_ids)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes next.")
@click.option("--script", "only_script", is_flag=True, help="Only what the script said.")
@pass_session
def command(session: Session, identifier: str | None, *, follow: bool, only_script: bool) -> None:
    """Print a deployment's log."""
    store = Store(config.state_dir())
    chosen = choose_id(store, identifier)
    script = _script_matches(store, chosen)
    everything = [f"DEPLOYMENT_ID={chosen}", "+", *script]
    following = ["--follow", "--lines=all"] if follow else []
    if not only_script and _are_in_the_journal(everything):
        _become_journalctl(everything, following)
    if only_script and not (store.folder(chosen) / LOG).exists() and _are_in_the_journal(script):
        _become_journalctl(script, ["--output=cat", *following])
    from pinakad.cli.views.script_log import ScriptLog  # noqa: PLC0415 - the journal needs none of it

    sys.stdout.flush()
    ScriptLog(store, chosen, session.settings()).copy(sys.stdout.fileno(), follow=follow)


def _script_matches(store: Store, identifier: str) -> list[str]:
    """Return the matches of journalctl(1) that find the script's output: its unit's, or its supervisor's stream."""
    unit = f"_SYSTEMD_UNIT=pinakad-script@{identifier}.service"
    found = _supervisor(store.folder(identifier) / STARTED)
    if found is None:
        return [unit]
    boot, pid = found
    return [unit, "+", f"SYSLOG_IDENTIFIER={JOURNAL_NAME}", f"_BOOT_ID={boot}", f"_PID={pid}"]


def _supervisor(started: Path) -> tuple[str, int] | None:
    """Return boot id and pid of the script's supervisor; None where it was not started, or never will be."""
    try:
        record = json.loads(read_regular(started, _MAX_RECORD_BYTES))
        boot, pid = record["boot_id"], record["supervisor_pid"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, NotRegularError):
        return None
    if not isinstance(boot, str) or not _BOOT_ID.fullmatch(boot) or not isinstance(pid, int):
        return None
    return boot.replace("-", ""), pid


def _are_in_the_journal(matches: list[str]) -> bool:
    """The daemon may log to stderr, the journal may have been cleared, or be closed to us."""
    if shutil.which("journalctl") is None:
        return False
    words = ["journalctl", "--quiet", "--lines=1", "--output=cat", *matches]
    return bool(subprocess.run(words, capture_output=True, check=False).stdout)


def _become_journalctl(matches: list[str], options: list[str]) -> None:
    words = ["journalctl", "--no-hostname", *options, *matches]
    sys.stdout.flush()
    try:
        os.execvp(words[0], words)  # noqa: S606 - its pager and its signals are better than what we could pass on
    except OSError as error:
        raise FaultError(f"cannot run journalctl: {cause_of(error)}; try --script") from error
