"""Store node files and ask for their deployment: all of them, or nothing."""

from dataclasses import dataclass
from pathlib import Path

from pinakad.client.access import opened
from pinakad.client.errors import ClientError, StoredOnlyError
from pinakad.client.node_store import file_name, locked, next_number, store
from pinakad.client.plan import Plan, plan_of, successors
from pinakad.client.sources import Source
from pinakad.client.submit import Submitted, Submitter
from pinakad.config import Config
from pinakad.markers.folder import Markers
from pinakad.state.store import Store


@dataclass(frozen=True)
class Preview:
    """What would be stored: the plan, and the names that its sources would get, in their order."""

    plan: Plan
    names: list[str]


@dataclass(frozen=True)
class Applied(Preview):
    """What was stored, and the request that was made for it."""

    submitted: Submitted


def preview(settings: Config, sources: list[Source]) -> Preview:
    """Check the sources and return what would be done. Raises NotStoredError and NoWriteError."""
    with opened(settings.nodes_dir) as folder:
        plan = plan_of(settings, folder, sources)
        first = next_number(folder)
    return Preview(plan, [file_name(first + position) for position in range(len(sources))])


def apply(settings: Config, sources: list[Source], request_id: str, state_dir: Path) -> Applied:
    """Store the sources and ask for their deployment.

    Raises NotStoredError, StoredOnlyError, and the errors of the folders and of the request. A request that could not
    be made is found before anything is stored, as far as that can be known.
    """
    with locked(settings.nodes_dir) as folder, opened(settings.markers_dir) as place:
        submitter = Submitter(Store(state_dir), Markers(settings.markers_dir), place)
        plan = plan_of(settings, folder, sources)
        submitter.require_writable()
        submitter.wait_until_taken()
        names = store(folder, [source.raw for source in sources])
        try:
            return Applied(plan, names, submitter.submit(names, request_id, successors(settings, folder)))
        except ClientError as error:
            raise StoredOnlyError(names, error) from error


def ask(settings: Config, files: list[str] | None, request_id: str, state_dir: Path) -> Submitted:
    """Ask for the deployment of node files that lie there, None for all of them.

    Raises the errors of the folders and of the request.
    """
    with locked(settings.nodes_dir) as folder, opened(settings.markers_dir) as place:
        submitter = Submitter(Store(state_dir), Markers(settings.markers_dir), place)
        submitter.require_writable()
        return submitter.submit(files, request_id, successors(settings, folder))
