"""What does a shell offer for an ID or a NODE that is being typed?"""

import re

from click import Context, Parameter
from click.shell_completion import CompletionItem

from pinakad import config
from pinakad.client.errors import ClientError
from pinakad.client.lookup import choose_id, load
from pinakad.state.store import Store
from pinakad.state.summaries import read_summary

_OFFERED = 50
_SAFE = re.compile(r"[A-Za-z0-9._-]+")
"""What a shell takes as one word: a report cannot put anything else on a command line."""


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
    except ClientError:
        return []
    names = [node.hostname for node in report.nodes if _SAFE.fullmatch(node.hostname)]
    names = [name for name in names if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names[:_OFFERED]]
