"""Why does a call of a client fail?

Each error carries its values as attributes, and a text that says what failed and why. What to do about an error is not
in the text: a terminal and a page say that in their own words.
"""

from collections.abc import Sequence
from pathlib import Path

from pinakad.printable import cause_of
from pinakad.problems import Problem
from pinakad.report.vocabulary import Phase
from pinakad.report.wording import duration_text


class ClientError(Exception):
    """A call cannot do what it is asked to do. All errors of this package are of this class."""


# --- what cannot be read or written


class NoWriteError(ClientError):
    """A folder cannot be opened or written. `error` is the system's."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot write in '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class NoReadError(ClientError):
    """A file or folder of the daemon cannot be read. `error` is the system's."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"cannot read '{error.filename or path}': {cause_of(error)}")
        self.path, self.error = path, error


class NoMarkersError(ClientError):
    """The marker folder cannot be read. `error` is the system's."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot look into the marker folder '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class NoStateError(ClientError):
    """The state folder cannot be read. `error` is the system's."""

    def __init__(self, folder: Path, error: OSError) -> None:
        super().__init__(f"cannot read the state folder '{folder}': {cause_of(error)}")
        self.folder, self.error = folder, error


class UnreadableReportError(ClientError):
    """The report of a deployment cannot be read, or is none. `cause` says which file, and why."""

    def __init__(self, identifier: str, cause: str) -> None:
        super().__init__(cause)
        self.identifier, self.cause = identifier, cause


# --- what is named


class WrongNameError(ClientError):
    """A name means nothing, or several things."""


class NoDeploymentError(ClientError):
    """There is no deployment in `folder` yet."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"there is no deployment in '{folder}' yet")
        self.folder = folder


class UnknownDeploymentError(WrongNameError):
    """No deployment in `folder` has the id `text`."""

    def __init__(self, text: str, folder: Path) -> None:
        super().__init__(f"cannot find a deployment '{text}' in '{folder}'")
        self.text, self.folder = text, folder


class AmbiguousDeploymentError(WrongNameError):
    """`number` deployments have ids that begin with `text`; `some` are the latest of these."""

    def __init__(self, text: str, number: int, some: Sequence[str]) -> None:
        super().__init__(f"cannot tell which deployment '{text}' is, {number} begin so ({', '.join(some)})")
        self.text, self.number, self.some = text, number, tuple(some)


class UnknownNodeError(WrongNameError):
    """The deployment `identifier` has no node `text`."""

    def __init__(self, text: str, identifier: str) -> None:
        super().__init__(f"cannot find a node '{text}' in deployment {identifier}")
        self.text, self.identifier = text, identifier


class AmbiguousNodeError(WrongNameError):
    """Several nodes have the name `text`; `some` are host names of these."""

    def __init__(self, text: str, some: Sequence[str]) -> None:
        super().__init__(f"cannot tell which node '{text}' is: {', '.join(some)}")
        self.text, self.some = text, tuple(some)


# --- node files


class SourceError(WrongNameError):
    """A file that is named as a source of nodes cannot be read. `is_regular`: it is a regular file, as it must be."""

    def __init__(self, path: Path, cause: str, *, is_regular: bool = True) -> None:
        super().__init__(f"cannot read '{path}': {cause}")
        self.path, self.cause, self.is_regular = path, cause, is_regular


class NotStoredError(ClientError):
    """The nodes are wrong, by themselves or together with those in the folder. `problems` has a line for each problem.

    `found` has the problems themselves, whose files are the labels of the sources. Nothing was stored.
    """

    def __init__(self, problems: Sequence[str], found: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join((*problems, "nothing was stored")))
        self.problems, self.found = tuple(problems), tuple(found)


class NoNodesError(NotStoredError):
    """The source `label` is no JSON, or has no nodes in a form that is known. Nothing was stored."""

    def __init__(self, label: str, cause: str) -> None:
        super().__init__([f"{label}: {cause}"])
        self.label, self.cause = label, cause

    def __str__(self) -> str:
        """Return the text: a single problem takes one line."""
        return f"{self.label}: {self.cause}; nothing was stored"


class StoredOnlyError(ClientError):
    """The node files `names` were stored, and their deployment could not be asked for. `error` says why."""

    def __init__(self, names: Sequence[str], error: ClientError) -> None:
        super().__init__(f"stored {', '.join(names)}, but did not ask for their deployment: {error}")
        self.names, self.error = tuple(names), error


class LockedFolderError(ClientError):
    """Another client has held the lock of the nodes folder for more than `limit_s` seconds."""

    def __init__(self, folder: Path, lock: Path, limit_s: float) -> None:
        super().__init__(f"another pinakactl has been at work in '{folder}' for {limit_s:g} s")
        self.folder, self.lock, self.limit_s = folder, lock, limit_s


class NoLockError(ClientError):
    """The lock of the nodes folder cannot be taken. `error` is the system's."""

    def __init__(self, lock: Path, error: OSError) -> None:
        super().__init__(f"cannot lock '{lock}': {cause_of(error)}")
        self.lock, self.error = lock, error


# --- requests


class UnsoundRequestError(ClientError):
    """The request that waits to be served is unsound: another one cannot be joined to it."""

    def __init__(self, place: Path, cause: str) -> None:
        super().__init__(f"cannot ask: '{place}' waits to be served and is no sound request ({cause})")
        self.place, self.cause = place, cause


class BusyMarkersError(ClientError):
    """Other producers replace the request faster than it can be joined."""

    def __init__(self, place: Path) -> None:
        super().__init__(f"cannot make the request '{place}': others write there all the time")
        self.place = place


# --- what is followed


class NothingToFollowError(ClientError):
    """There is no deployment and no request."""

    def __init__(self) -> None:
        super().__init__("there is nothing to wait for: no deployment, and no request")


class RequestRemovedError(ClientError):
    """The request that is followed was removed before it was served."""

    def __init__(self) -> None:
        super().__init__("there is nothing to wait for any more: the request was removed before it was served")


class TimedOutError(ClientError):
    """There was no verdict within `limit_s` seconds.

    `identifier`: the deployment, None while the request is not served; `phase`: its phase, None without a report.
    """

    def __init__(self, limit_s: float, identifier: str | None, phase: Phase | None) -> None:
        what = f"deployment {identifier}" if identifier else "the request"
        progress = f"it is {phase}" if phase else "it is not served yet"
        super().__init__(f"{what} is not over after {duration_text(limit_s)}; {progress}")
        self.limit_s, self.identifier, self.phase = limit_s, identifier, phase


class NoDaemonError(ClientError):
    """No daemon has run for `limit_s` seconds (0: none runs now): none is there to give a verdict or an answer."""

    def __init__(self, limit_s: float) -> None:
        text = f"no daemon has run for {limit_s:g} s, so nobody gives a verdict" if limit_s else "no daemon runs"
        super().__init__(text)
        self.limit_s = limit_s


# --- deployments that are asked for again, nodes that are retired, runs that are cancelled


class NotOverError(ClientError):
    """The deployment `identifier` is not over, so nothing of it can be tried again."""

    def __init__(self, identifier: str) -> None:
        super().__init__(f"deployment {identifier} is not over")
        self.identifier = identifier


class NothingToRetryError(ClientError):
    """No node of the deployment is to be tried again: none failed, or none of the files is there any more."""

    def __init__(self, text: str) -> None:
        super().__init__(text)


class NodesUnknownError(ClientError):
    """It is not known which nodes the deployment was for. `remedy` says what to do."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


class AskedForError(ClientError):
    """The node files `names` cannot be moved: a request that waits to be served, at `place`, names them."""

    def __init__(self, names: Sequence[str], place: Path) -> None:
        text = f"cannot retire {', '.join(names)}: a request that waits to be served names it"
        super().__init__(text)
        self.names, self.place = tuple(names), place


class UnknownFileError(WrongNameError):
    """No node file in `folder` is of the node `text`."""

    def __init__(self, text: str, folder: Path) -> None:
        super().__init__(f"cannot find a node '{text}' in '{folder}'")
        self.text, self.folder = text, folder


class AmbiguousFileError(WrongNameError):
    """Several node files may be meant by a name. `remedy` says what to write."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


class NoAnswerError(ClientError):
    """The daemon has not answered the question for `address` within `limit_s` seconds."""

    def __init__(self, address: str, limit_s: float) -> None:
        super().__init__(f"the daemon has not said within {limit_s:g} s whether a login at {address} works")
        self.address, self.limit_s = address, limit_s
