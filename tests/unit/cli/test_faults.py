"""The texts and exit codes of every error of client/, as pinakactl prints them."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from pinakad.cli.console.faults import exit_code_of_error, text_of
from pinakad.client import errors
from pinakad.client.errors import ClientError
from pinakad.report.vocabulary import Phase

GONE = FileNotFoundError(errno.ENOENT, "No such file or directory")
FULL = OSError(errno.ENOSPC, "No space left on device")
LINK = OSError(errno.ELOOP, "Too many levels of symbolic links")
DENIED = PermissionError(errno.EACCES, "Permission denied", "/state/x")
ID = "20261123T212455Z.0001"

CASES: list[tuple[ClientError, int, str]] = [
    (
        errors.NoWriteError(Path("/n"), GONE),
        1,
        (
            "cannot write in '/n': no such file or directory; "
            "pinakactl setup makes the folders, --config FILE names others"
        ),
    ),
    (
        errors.NoWriteError(Path("/n"), FULL),
        1,
        "cannot write in '/n': no space left on device; make room on that disk",
    ),
    (
        errors.NoWriteError(Path("/n"), LINK),
        1,
        (
            "cannot write in '/n': too many levels of symbolic links; "
            "it must be a folder, and no link where others may write: remove what is there"
        ),
    ),
    (
        errors.NoWriteError(Path("/n"), OSError(errno.EIO, "Input/output error")),
        1,
        "cannot write in '/n': input/output error; pinakactl doctor tells more",
    ),
    (
        errors.NoReadError(Path("/state"), DENIED),
        1,
        "cannot read '/state/x': permission denied; ask with sudo, or as the daemon's user",
    ),
    (
        errors.NoReadError(Path("/state"), OSError(errno.EIO, "Input/output error")),
        1,
        "cannot read '/state': input/output error; see pinakactl doctor",
    ),
    (
        errors.NoMarkersError(Path("/m"), GONE),
        1,
        "cannot look into the marker folder '/m': no such file or directory; pinakactl setup makes it, sudo reads it",
    ),
    (
        errors.NoStateError(Path("/s"), DENIED),
        1,
        "cannot read the state folder '/s': permission denied; ask as root or as the daemon's user",
    ),
    (errors.UnreadableReportError(ID, "cannot read 'x'"), 1, "cannot read 'x'; pinakactl doctor tells more"),
    (
        errors.NoDeploymentError(Path("/s")),
        1,
        "there is no deployment in '/s' yet; pinakactl status tells what goes on",
    ),
    (
        errors.UnknownDeploymentError("7", Path("/s")),
        2,
        "cannot find a deployment '7' in '/s'; pinakactl history lists them",
    ),
    (
        errors.AmbiguousDeploymentError("2", 3, ["a", "b"]),
        2,
        "cannot tell which deployment '2' is, 3 begin so (a, b); write more of it",
    ),
    (
        errors.UnknownNodeError("n", ID),
        2,
        f"cannot find a node 'n' in deployment {ID}; pinakactl show {ID} lists its nodes",
    ),
    (
        errors.AmbiguousNodeError("n", ["n.a", "n.b"]),
        2,
        "cannot tell which node 'n' is: n.a, n.b; write the whole name or the address",
    ),
    (errors.SourceError(Path("/f"), "it is gone"), 2, "cannot read '/f': it is gone"),
    (
        errors.SourceError(Path("/f"), "it is no regular file", is_regular=False),
        2,
        "cannot read '/f': it is no regular file; for a folder's files write /f/*.json",
    ),
    (errors.NotStoredError(["one", "two"]), 1, "one\ntwo\nnothing was stored"),
    (errors.NoNodesError("f", "it has none"), 1, "f: it has none; nothing was stored"),
    (
        errors.LockedFolderError(Path("/n"), Path("/n/.lock"), 30.0),
        1,
        "another pinakactl has been at work in '/n' for 30 s; try again later, or, where none runs, rm '/n/.lock'",
    ),
    (errors.NoLockError(Path("/l"), FULL), 1, "cannot lock '/l': no space left on device; rm it where it is no file"),
    (
        errors.UnsoundRequestError(Path("/m/r"), "why"),
        1,
        "cannot ask: '/m/r' waits to be served and is no sound request (why); remove it",
    ),
    (
        errors.BusyMarkersError(Path("/m/r")),
        1,
        "cannot make the request '/m/r': others write there all the time; try again",
    ),
    (
        errors.NothingToFollowError(),
        5,
        "there is nothing to wait for: no deployment, and no request; pinakactl apply makes one",
    ),
    (
        errors.RequestRemovedError(),
        5,
        "there is nothing to wait for any more: the request was removed before it was served",
    ),
    (
        errors.TimedOutError(120.0, ID, Phase.POLLING),
        4,
        f"deployment {ID} is not over after 2 min; it is polling, pinakactl status tells more",
    ),
    (
        errors.TimedOutError(1.0, ID, None),
        4,
        f"deployment {ID} is not over after 1 s; it is not served yet, pinakactl status tells more",
    ),
    (
        errors.TimedOutError(1.0, None, None),
        4,
        "the request is not over after 1 s; it is not served yet, pinakactl status tells more",
    ),
    (
        errors.NoDaemonError(10.0),
        6,
        "no daemon has run for 10 s, so nobody gives a verdict; systemctl start pinakad",
    ),
    (
        errors.StoredOnlyError(["node_01.json"], errors.BusyMarkersError(Path("/m/x"))),
        1,
        (
            "stored node_01.json, but did not ask for their deployment: cannot make the request '/m/x': others write "
            "there all the time; pinakactl apply again asks for them, or touch the marker"
        ),
    ),
    (errors.NotOverError(ID), 1, f"deployment {ID} is not over; pinakactl wait waits for it, pinakactl cancel ends it"),
    (errors.NothingToRetryError("none failed"), 5, "none failed; pinakactl history lists the others"),
    (errors.NodesUnknownError("cannot tell", "name them"), 1, "cannot tell; name them"),
    (
        errors.AskedForError(["node_01.json"], Path("/m/x")),
        1,
        (
            "cannot retire node_01.json: a request that waits to be served names it; "
            "pinakactl wait waits for it, rm '/m/x' takes it back"
        ),
    ),
    (errors.UnknownFileError("x", Path("/n")), 2, "cannot find a node 'x' in '/n'; pinakactl validate lists them"),
    (errors.AmbiguousFileError("cannot tell", "write more"), 2, "cannot tell; write more"),
    (
        errors.NoAnswerError("10.0.0.7", 30),
        1,
        (
            "the daemon has not said within 30 s whether a login at 10.0.0.7 works; "
            "pinakactl doctor tells whether the daemon makes progress"
        ),
    ),
]


@pytest.mark.parametrize(("error", "code", "text"), CASES)
def test_each_error_has_its_text_with_a_remedy_and_its_exit_code(error: ClientError, code: int, text: str) -> None:
    assert (text_of(error), exit_code_of_error(error)) == (text, code)


def leaves(kind: type[ClientError]) -> Iterator[type[ClientError]]:
    if "__init__" in vars(kind):
        yield kind
    for below in kind.__subclasses__():
        yield from leaves(below)


def test_no_error_is_forgotten() -> None:
    assert set(leaves(ClientError)) == {type(error) for error, *_ in CASES}


def test_no_error_of_client_names_a_command_to_type() -> None:
    for error, *_ in CASES:
        assert not any(word in str(error) for word in ("pinakactl ", "systemctl", "sudo")) or "another" in str(error)
