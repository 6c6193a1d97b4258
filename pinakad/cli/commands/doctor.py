"""What would make the next deployment fail, before it does?"""

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pinakad import config
from pinakad.cli.checks.account import account_of
from pinakad.cli.checks.context import CheckContext, Finding, Weight, fails, is_run_by_systemd, warning
from pinakad.cli.checks.nodes import reach, unreached
from pinakad.cli.checks.order import CHECKS
from pinakad.cli.console.faults import text_of
from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import Session, WrongUseError, pass_session
from pinakad.client.daemon_view import DaemonView, read_daemon_view
from pinakad.client.errors import ClientError
from pinakad.nodes.selection import Node
from pinakad.polling.vocabulary import AttemptResult

_MAX_SHOWN = 20
_STYLES = {Weight.FAILS: "bold red", Weight.WARNING: "yellow"}
_Answers = list[tuple[Node, AttemptResult]]

_HELP = """Tell what would make the next deployment fail, before it does.

\b
  pinakactl doctor
  sudo pinakactl doctor                     looks at what is the daemon's alone, too
  pinakactl doctor --reach                  and asks each node, once, how far a login gets now
  pinakactl doctor --json | jq -r '.findings[] | .remedy'

Configuration, daemon, folders, disks, script, key, limits, events, node files, markers and state are looked at, with
the rights of the daemon's user; nothing is changed. Each finding has the command that mends it. A node that does not
answer now is a warning: it may be up when it counts.

Exit code: 0 nothing would make it fail (warnings hold nobody up), 1 something would, 2 wrong usage.
"""


@click.command(help=_HELP)
@click.option("--reach", "asks", is_flag=True, help="Log in to each node once, and tell how far that got.")
@click.option("--json", "as_json", is_flag=True, help="Print {ok, findings, nodes} as JSON.")
@pass_session
def command(session: Session, *, asks: bool, as_json: bool) -> None:
    """Print every finding."""
    found, answers = examine(session, asks=asks)
    ok = not any(finding.weight is Weight.FAILS for group in found.values() for finding in group)
    if as_json:
        click.echo(json.dumps({"ok": ok} | _document(found, answers), indent=1))
    else:
        _print(open_console(), found, answers)
    click.get_current_context().exit(0 if ok else 1)


def examine(session: Session, *, asks: bool) -> tuple[dict[str, list[Finding]], _Answers | None]:
    """Run every check; return the findings by the name of the check, and what the nodes say where they are asked."""
    try:
        context = _context(session)
    except WrongUseError as error:
        file, _ = config.config_file(session.config)
        return {"configuration": [fails(line, f"edit {file}") for line in error.message.splitlines()]}, None
    found = {check.name: check.findings(context) for check in CHECKS}
    if not asks:
        return found, None
    answers = reach(context)
    if isinstance(answers, str):
        found["reach"] = [
            warning(f"no node can be asked: {answers}", "see above, or try: sudo pinakactl doctor --reach")
        ]
        return found, None
    found["reach"] = list(unreached(context, answers))
    return found, answers


def _context(session: Session) -> CheckContext:
    settings = session.settings()
    file, _ = config.config_file(session.config, os.environ)
    state, runtime = config.state_dir(), config.runtime_dir()
    try:
        view = read_daemon_view(state, runtime)
    except ClientError as error:  # the check of the folders says who may not do what
        view = DaemonView(running=False, daemon=None, report=None, notes=[text_of(error)])
    pid = view.daemon.pid if view.running and view.daemon else None
    by_systemd = is_run_by_systemd(pid, settings)
    return CheckContext(settings, Path(file), state, runtime, view, account_of(pid), by_systemd)


# --- what is printed


def _document(found: dict[str, list[Finding]], answers: _Answers | None) -> dict[str, Any]:
    findings = [
        {"check": name, "severity": finding.weight, "message": finding.message, "remedy": finding.remedy}
        for name, group in found.items()
        for finding in group
    ]
    return {"findings": findings, "nodes": None if answers is None else [_answer(*answer) for answer in answers]}


def _answer(node: Node, result: AttemptResult) -> dict[str, Any]:
    return {
        "file": node.file,
        "hostname": node.hostname,
        "address": node.address,
        "rung": result.rung,
        "reason": result.reason,
        "message": result.message,
        "host_key": result.host_key,
        "reported_hostname": result.hostname,
    }


def _print(console: Console, found: dict[str, list[Finding]], answers: _Answers | None) -> None:
    about = {check.name: check.about for check in CHECKS} | {"reach": "every node lets us in"}
    for name, group in found.items():
        if not group:
            show(console, plain("ok       ", "green"), plain(f"{name}: {about[name]}"))
        for finding in group[:_MAX_SHOWN]:
            show(console, plain(f"{finding.weight:<9}", _STYLES[finding.weight]), plain(f"{name}: {finding.message}"))
            show(console, plain(f"{'':<9}to mend it: ", "dim"), plain(finding.remedy))
        if len(group) > _MAX_SHOWN:
            show(console, plain(f"{'':<9}and {len(group) - _MAX_SHOWN} more, see --json"))
    if answers:
        console.print()
        _print_answers(console, answers)
    show(console, plain(""))
    show(console, *_sum(found))


def _print_answers(console: Console, answers: _Answers) -> None:
    table = columns("node", "got to", "reason", "address", "names itself", "what it says")
    ordered = sorted(answers, key=lambda answer: answer[1].reason is None)
    for node, result in ordered[: _MAX_SHOWN * 5]:
        cells = (result.rung or "-", result.reason or "-", node.address, result.hostname or "-", result.message)
        table.add_row(plain(node.hostname), *map(plain, cells))
    show_table(console, table)


def _sum(found: dict[str, list[Finding]]) -> list[Any]:
    counts: dict[Weight, int] = defaultdict(int)
    for group in found.values():
        for finding in group:
            counts[finding.weight] += 1
    warnings = f"{counts[Weight.WARNING]} warning{'' if counts[Weight.WARNING] == 1 else 's'}"
    if counts[Weight.FAILS] == 0:
        return [plain(f"nothing here would make the next deployment fail; {warnings}", "green")]
    what = "finding" if counts[Weight.FAILS] == 1 else "findings"
    return [plain(f"{counts[Weight.FAILS]} {what} would make the next deployment fail; {warnings}", "bold red")]
