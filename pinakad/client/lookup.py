"""Which deployment, and which of its nodes, does a text mean?"""

from pinakad.client.errors import (
    AmbiguousDeploymentError,
    AmbiguousNodeError,
    NoDeploymentError,
    NoReadError,
    UnknownDeploymentError,
    UnknownNodeError,
    UnreadableReportError,
)
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.state.store import StateUnreadableError, Store

_SHOWN = 5


def choose_id(store: Store, text: str | None) -> str:
    """Return the id that `text` means: an id, its counter, or how one of them begins; None means the latest.

    Raises NoDeploymentError, UnknownDeploymentError, AmbiguousDeploymentError and NoReadError.
    """
    known = known_ids(store)
    if not known:
        raise NoDeploymentError(store.deployments)
    if text is None:
        return known[-1]
    found = [text] if text in known else _by_counter(known, text) or [name for name in known if name.startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UnknownDeploymentError(text, store.deployments)
    raise AmbiguousDeploymentError(text, len(found), found[-_SHOWN:])


def known_ids(store: Store) -> list[str]:
    """Return the ids of all deployments, oldest first. Raises NoReadError."""
    try:
        return store.ids()
    except OSError as error:
        raise NoReadError(store.deployments, error) from error


def newer_ids(store: Store, identifier: str | None) -> list[str]:
    """Return the ids of the deployments after the one of this id, oldest first; all where it is not known.

    Raises NoReadError.
    """
    known = known_ids(store)
    return known[known.index(identifier) + 1 :] if identifier in known else known


def latest(store: Store) -> Report | None:
    """Return the latest readable report, None where there is none. Raises NoReadError."""
    try:
        return store.latest()
    except OSError as error:
        raise NoReadError(store.root, error) from error


def load(store: Store, identifier: str) -> Report:
    """Return a deployment's report. Raises UnreadableReportError."""
    try:
        return store.load(identifier)
    except StateUnreadableError as error:
        raise UnreadableReportError(identifier, str(error)) from error


def choose_node(report: Report, text: str) -> NodeReport:
    """Return the node that `text` names: by host name (without case, the short one too), address or file.

    Raises UnknownNodeError and AmbiguousNodeError.
    """
    wanted = text.lower()
    for keys in (_full_names, _short_names):
        found = [node for node in report.nodes if wanted in keys(node)]
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousNodeError(text, [node.hostname for node in found[:_SHOWN]])
    raise UnknownNodeError(text, report.id)


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
