"""Why a call of a client fails.

The texts say what and why. What to do about it, a terminal and a page say in their own words.
"""

from pathlib import Path

from pinakad.problems import cause_of


class ClientError(Exception):
    """A call cannot do what it is asked to do. All errors of this package are of this class."""


class NoWriteError(ClientError):
    """A folder cannot be written. `error` is the system's."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot write in '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class NoReadError(ClientError):
    """Something of the daemon's cannot be read. `error` is the system's."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot read '{error.filename or path}': {cause_of(error)}")
        self.path, self.error = path, error


class NoMarkersError(ClientError):
    """The marker folder cannot be read."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot look into the marker folder '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class NoStateError(ClientError):
    """The state folder cannot be read."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot read the state folder '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class UnreadableReportError(ClientError):
    """The report of a deployment cannot be read or understood."""


# --- what is named


class WrongNameError(ClientError):
    """What is named cannot be meant: there is none of it, or there are several."""


class NoDeploymentError(ClientError):
    """There is no deployment yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no deployment in '{folder}' yet")


class UnknownDeploymentError(WrongNameError):
    """No deployment has this id."""

    def __init__(self, text: str, folder: Path) -> None:
        super().__init__(f"cannot find a deployment '{text}' in '{folder}'")


class AmbiguousDeploymentError(WrongNameError):
    """Several deployments have ids that begin so."""

    def __init__(self, text: str, number: int, some: list[str]) -> None:
        super().__init__(f"cannot tell which deployment '{text}' is, {number} begin so ({', '.join(some)})")


class UnknownNodeError(WrongNameError):
    """The deployment `identifier` has no such node."""

    def __init__(self, text: str, identifier: str) -> None:
        super().__init__(f"cannot find a node '{text}' in deployment {identifier}")
        self.identifier = identifier


class AmbiguousNodeError(WrongNameError):
    """Several nodes have this short name."""

    def __init__(self, text: str, some: list[str]) -> None:
        super().__init__(f"cannot tell which node '{text}' is: {', '.join(some)}")


# --- node files


class SourceError(WrongNameError):
    """A file that is to bring nodes cannot be read. `is_folder`: it is no regular file."""

    def __init__(self, path: Path, cause: str, *, is_regular: bool = True) -> None:
        super().__init__(f"cannot read '{path}': {cause}")
        self.path, self.is_regular = path, is_regular


class NotStoredError(ClientError):
    """The nodes are wrong, by themselves or together with those that are there. One line for each finding."""


class LockedFolderError(ClientError):
    """Another client has been at work in the nodes folder for too long."""

    def __init__(self, folder: Path, lock: Path, limit_s: float) -> None:
        super().__init__(f"another pinakactl has been at work in '{folder}' for {limit_s:g} s")
        self.lock = lock


class NoLockError(ClientError):
    """The lock of the nodes folder cannot be taken."""

    def __init__(self, lock: Path, error: OSError) -> None:
        super().__init__(f"cannot lock '{lock}': {cause_of(error)}")


# --- requests


class UnsoundRequestError(ClientError):
    """A request waits to be served that is none: another one cannot be joined to it."""

    def __init__(self, place: Path, cause: str) -> None:
        super().__init__(f"cannot ask: '{place}' waits to be served and is no sound request ({cause})")


class BusyMarkersError(ClientError):
    """Others write the request all the time."""

    def __init__(self, place: Path) -> None:
        super().__init__(f"cannot make the request '{place}': others write there all the time")


# --- what is followed


class NothingToFollowError(ClientError):
    """There is no deployment and no request."""


class RequestRemovedError(ClientError):
    """The request that is followed was removed before it was served."""


class TimedOutError(ClientError):
    """There was no verdict in the time that was given."""


class NoDaemonError(ClientError):
    """Nobody is there who could give a verdict."""
