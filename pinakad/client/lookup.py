"""Which deployment, and which of its nodes, does the operator mean?"""

import re
from pathlib import Path

from click import Context, Parameter
from click.shell_completion import CompletionItem

from pinakad import config
from pinakad.cli.console.session import FaultError, WrongUseError
from pinakad.problems import cause_of
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.summary import read_summary
from pinakad.state.store import StateUnreadableError, Store

_SHOWN = 5
_OFFERED = 50
_SAFE = re.compile(r"[A-Za-z0-9._-]+")
"""What a shell takes as one word: whatever a report says, nothing else is put on a command line."""


def choose_id(store: Store, text: str | None) -> str:
    """Return the id that `text` means: an id, its counter, or how one of them begins; None means the latest.

    Raises WrongUseError where that is none or several, FaultError where the state folder cannot be read.
    """
    known = known_ids(store)
    if not known:
        raise FaultError(f"there is no deployment in '{store.deployments}' yet; pinakactl status tells what goes on")
    if text is None:
        return known[-1]
    found = [text] if text in known else _by_counter(known, text) or [name for name in known if name.startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise WrongUseError(f"cannot find a deployment '{text}' in '{store.deployments}'; pinakactl history lists them")
    names = ", ".join(found[-_SHOWN:])
    raise WrongUseError(f"cannot tell which deployment '{text}' is, {len(found)} begin so ({names}); write more of it")


def complete_ids(_context: Context, _argument: Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the ids to a shell, the newest first, each with what became of it."""
    store = Store(config.state_dir())
    try:
        found = [identifier for identifier in reversed(store.ids()) if identifier.startswith(incomplete)]
    except OSError:
        return []
    heads = ((identifier, read_summary(store.folder(identifier))) for identifier in found[:_OFFERED])
    return [CompletionItem(name, help=str(head.outcome or head.phase) if head else "") for name, head in heads]


def complete_nodes(context: Context, _option: Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the host names of the deployment's nodes to a shell."""
    store = Store(config.state_dir())
    try:
        report = load(store, choose_id(store, context.params.get("identifier")))
    except FaultError:
        return []
    names = [node.hostname for node in report.nodes if _SAFE.fullmatch(node.hostname)]
    names = [name for name in names if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names[:_OFFERED]]


def known_ids(store: Store) -> list[str]:
    """Return the ids of all deployments, oldest first. Raises FaultError where the state folder cannot be read."""
    try:
        return store.ids()
    except OSError as error:
        raise no_access(store.deployments, error) from error


def load(store: Store, identifier: str) -> Report:
    """Return a deployment's report. Raises FaultError where it cannot be read."""
    try:
        return store.load(identifier)
    except StateUnreadableError as error:
        raise FaultError(f"{error}; pinakactl doctor tells more") from error


def choose_node(report: Report, text: str) -> NodeReport:
    """Return the node that `text` names: by host name (without case, the short one too), address or file."""
    wanted = text.lower()
    for keys in (_full_names, _short_names):
        found = [node for node in report.nodes if wanted in keys(node)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(node.hostname for node in found[:_SHOWN])
            raise WrongUseError(f"cannot tell which node '{text}' is: {names}; write the whole name or the address")
    text = f"cannot find a node '{text}' in deployment {report.id}; pinakactl show {report.id} lists its nodes"
    raise WrongUseError(text)


def no_access(path: Path, error: OSError) -> FaultError:
    """Return the failure to read something of the daemon's, with what to do about it."""
    remedy = "ask with sudo, or as the daemon's user" if isinstance(error, PermissionError) else "see pinakactl doctor"
    return FaultError(f"cannot read '{error.filename or path}': {cause_of(error)}; {remedy}")


def _by_counter(known: list[str], text: str) -> list[str]:
    """An id ends with `.` and a counter of four digits or more: `7`, `0007` and `.0007` mean it too."""
    digits = text.removeprefix(".")
    if not (digits.isascii() and digits.isdigit()):
        return []
    return [name for name in known if int(name.rpartition(".")[2]) == int(digits)]


def _full_names(node: NodeReport) -> tuple[str, ...]:
    return node.hostname.lower(), node.address.lower(), node.file.lower()


def _short_names(node: NodeReport) -> tuple[str, ...]:
    return (node.hostname.split(".")[0].lower(),)
