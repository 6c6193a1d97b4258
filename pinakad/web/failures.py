"""What does a caller get to read where a call of client/ fails?"""

from pinakad.client import errors
from pinakad.client.errors import ClientError
from pinakad.web.exchange import Refused

_KINDS: dict[type[ClientError], tuple[int, str]] = {
    errors.UnknownDeploymentError: (404, "not_found"),
    errors.NoDeploymentError: (404, "not_found"),
    errors.UnknownNodeError: (404, "not_found"),
    errors.WrongNameError: (404, "not_found"),
    errors.NotStoredError: (422, "invalid_nodes"),
    errors.LockedFolderError: (503, "busy"),
    errors.BusyMarkersError: (503, "busy"),
    errors.UnsoundRequestError: (409, "conflict"),
    errors.NoDaemonError: (503, "no_daemon"),
    errors.TimedOutError: (503, "no_daemon"),
    errors.UnreadableReportError: (410, "unreadable"),
}


def refusal_of(error: ClientError) -> Refused:
    """Return the refusal that tells of an error: what the caller can do about it has a 4xx status, the rest 503."""
    status, code = next((_KINDS[kind] for kind in type(error).__mro__ if kind in _KINDS), (503, "unavailable"))
    return Refused(status, code, str(error))
