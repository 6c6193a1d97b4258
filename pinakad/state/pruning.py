"""Which deployments need not be kept? Old ones that are answered, and those that could not even be begun."""

import logging
from collections.abc import Collection

from pinakad.state.removal import remove_deployments
from pinakad.state.report_file import is_begun
from pinakad.state.store import Store

log = logging.getLogger(__name__)


def prune(store: Store, keep: int, spare: Collection[str] = ()) -> None:
    """Remove the oldest deployments but `keep`; never the latest, an unanswered one, or one of the ids in `spare`."""
    answered = (identifier for identifier in store.ids()[:-keep] if store.is_answered(identifier))
    old = [identifier for identifier in answered if identifier not in spare]
    remove_deployments(store.deployments, old)
    if old:
        log.debug("removed the old deployments %s", ", ".join(old))


def remove(store: Store, identifier: str) -> None:
    """Remove one deployment."""
    remove_deployments(store.deployments, [identifier])


def remove_unbegun(store: Store) -> None:
    """Remove the folders without any report: these deployments could not even be begun. Raises OSError."""
    remove_deployments(store.deployments, [name for name in store.ids() if not is_begun(store.folder(name))])
