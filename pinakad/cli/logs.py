"""What was logged in a deployment: by the daemon, and by the deployment script?"""

import os
import shutil
import subprocess
import sys

import click

from pinakad import config
from pinakad.cli.choice import choose_id, complete_ids
from pinakad.cli.session import FaultError, Session, pass_session
from pinakad.store import Store

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
@click.option("--script", "only_script", is_flag=True, help="Only the script's output, from its script.log.")
@pass_session
def command(session: Session, identifier: str | None, *, follow: bool, only_script: bool) -> None:
    """Print a deployment's log."""
    store = Store(config.state_dir())
    chosen = choose_id(store, identifier)
    if not only_script and _is_in_the_journal(chosen):
        _become_journalctl(chosen, follow=follow)
    from pinakad.cli.script_log import ScriptLog  # noqa: PLC0415 - the journal needs none of it

    log = ScriptLog(store, chosen, session.settings())
    sys.stdout.flush()
    log.copy(sys.stdout.fileno(), follow=follow)


def journal_matches(identifier: str) -> list[str]:
    """Return the matches of journalctl(1) that find all of a deployment: what is logged about it, its script's unit."""
    return [f"DEPLOYMENT_ID={identifier}", "+", f"_SYSTEMD_UNIT=pinakad-script@{identifier}.service"]


def _is_in_the_journal(identifier: str) -> bool:
    """The daemon may log to stderr, the journal may have been cleared, or be closed to us."""
    if shutil.which("journalctl") is None:
        return False
    words = ["journalctl", "--quiet", "--lines=1", "--output=cat", *journal_matches(identifier)]
    return bool(subprocess.run(words, capture_output=True, check=False).stdout)


def _become_journalctl(identifier: str, *, follow: bool) -> None:
    words = ["journalctl", "--no-hostname", *journal_matches(identifier)]
    if follow:
        words[1:1] = ["--follow", "--lines=all"]
    sys.stdout.flush()
    try:
        os.execvp(words[0], words)  # noqa: S606 - its pager and its signals are better than what we could pass on
    except OSError as error:
        raise FaultError(f"cannot run journalctl: {(error.strerror or '').lower()}; try --script") from error
