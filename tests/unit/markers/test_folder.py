"""What is in the marker folder is read and removed, whatever it is."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL, REQUEST
from pinakad.markers.request import Request
from pinakad.problems import Code


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


def read(markers: Markers) -> Request:
    found = markers.read()
    assert found is not None
    return found


def test_no_file_is_no_request(markers: Markers) -> None:
    assert markers.read() is None
    assert not markers.is_requested()


def _symlink(path: Path) -> None:
    (path.parent / "target").write_text("")
    path.symlink_to("target")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


KINDS: list[Callable[[Path], None]] = [_symlink, _dangling, _loop, os.mkfifo, os.mkdir, _socket]


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__.strip("_"))
def test_what_is_no_file_is_an_invalid_request_that_goes_without_being_followed(
    markers: Markers, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / REQUEST)
    request = read(markers)
    assert [(item.code, item.file) for item in request.problems] == [(Code.NOT_A_FILE, REQUEST)]
    assert markers.asides.set_aside(request.identity, "1")
    markers.asides.release("1", request.identity)
    assert markers.read() is None
    assert [entry.name for entry in tmp_path.iterdir()] in ([], ["target"])


def test_a_folder_with_something_in_it_is_moved_away_with_all_that_is_in_it(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST / "inside").mkdir(parents=True)
    request = read(markers)
    assert markers.asides.set_aside(request.identity, "1")
    assert markers.read() is None
    (away,) = tmp_path.iterdir()
    assert away.name.startswith(".pinakad-away-deployment_in_progress-")
    assert [entry.name for entry in away.iterdir()] == ["inside"]


def test_asking_to_cancel_is_a_name_whatever_it_is(markers: Markers, tmp_path: Path) -> None:
    assert markers.cancel_came_ns() is None
    (tmp_path / CANCEL).symlink_to("nowhere")
    assert markers.cancel_came_ns() is not None
