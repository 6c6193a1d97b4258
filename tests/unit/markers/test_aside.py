"""A served request is set aside, and put back where it was touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.request import Identity

ASIDE = ".pinakad-request-1"


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


@pytest.fixture
def served(markers: Markers, tmp_path: Path) -> Identity:
    (tmp_path / REQUEST).write_text('{"request_id": "served"}')
    found = markers.read()
    assert found is not None
    return found.identity


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def request_id(markers: Markers) -> str | None:
    found = markers.read()
    assert found is not None
    assert found.document is not None
    return found.document.request_id


def test_the_served_request_is_set_aside_and_goes_when_nobody_touched_it(
    markers: Markers, served: Identity, tmp_path: Path
) -> None:
    assert markers.asides.set_aside(served, "1")
    assert names(tmp_path) == {ASIDE}
    assert markers.asides.ids() == ["1"]
    assert not markers.asides.release("1", served, keep=True)
    assert names(tmp_path) == {ASIDE}
    assert markers.asides.release("1", served)
    assert names(tmp_path) == set()
    assert markers.asides.release("1", served)


@pytest.mark.parametrize("how", ["touch", "write", "replace"])
def test_a_request_that_changed_during_the_run_stays(
    markers: Markers, served: Identity, tmp_path: Path, how: str
) -> None:
    marker = tmp_path / REQUEST
    if how == "touch":
        os.utime(marker)
    elif how == "write":
        marker.write_text('{"request_id": "another"}')
    else:
        (tmp_path / "new").write_text('{"request_id": "served"}')
        (tmp_path / "new").replace(marker)
    changed = markers.read()
    assert not markers.asides.set_aside(served, "1")
    assert markers.read() == changed
    assert names(tmp_path) == {REQUEST}


def test_a_request_that_somebody_removed_is_not_there(markers: Markers, served: Identity, tmp_path: Path) -> None:
    (tmp_path / REQUEST).unlink()
    assert not markers.asides.set_aside(served, "1")
    assert names(tmp_path) == set()


def test_a_late_touch_of_a_file_held_open_brings_the_request_back(
    markers: Markers, served: Identity, tmp_path: Path
) -> None:
    with (tmp_path / REQUEST).open("r+") as held:
        markers.asides.set_aside(served, "1")
        held.write('{"request_id": "again!"}')
    assert markers.asides.release("1", served, keep=True)
    assert names(tmp_path) == {REQUEST}
    assert request_id(markers) == "again!"


def test_a_newer_request_in_its_place_wins_over_a_late_touch(
    markers: Markers, served: Identity, tmp_path: Path
) -> None:
    with (tmp_path / REQUEST).open("r+") as held:
        markers.asides.set_aside(served, "1")
        (tmp_path / REQUEST).write_text('{"request_id": "newer"}')
        held.write('{"request_id": "again!"}')
    assert markers.asides.release("1", served)
    assert names(tmp_path) == {REQUEST}
    assert request_id(markers) == "newer"


def test_a_file_that_is_there_again_and_still_set_aside_is_there_once(
    markers: Markers, served: Identity, tmp_path: Path
) -> None:
    """A putting back that was cut leaves it so: even while it is served, it is not put back once more."""
    markers.asides.set_aside(served, "1")
    os.utime(tmp_path / ASIDE, ns=(0, 0))
    (tmp_path / REQUEST).hardlink_to(tmp_path / ASIDE)
    again = markers.read()
    assert again is not None
    assert markers.asides.release("1", served, keep=True, running=again.identity)
    assert names(tmp_path) == {REQUEST}
    assert markers.read() == again


def test_a_set_aside_request_that_nobody_knows_is_a_request(markers: Markers, served: Identity, tmp_path: Path) -> None:
    markers.asides.set_aside(served, "1")
    assert markers.asides.release("1", None)
    assert names(tmp_path) == {REQUEST}
    assert request_id(markers) == "served"


@pytest.mark.parametrize("newer", [False, True])
def test_a_folder_under_the_name_of_a_set_aside_request_holds_nobody_up(
    markers: Markers, tmp_path: Path, newer: bool
) -> None:
    (tmp_path / ASIDE).mkdir()
    if newer:
        (tmp_path / REQUEST).write_text("")
    assert markers.asides.release("1", None)
    assert names(tmp_path) == {REQUEST}
    assert (tmp_path / REQUEST).is_file() is newer


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody who owns nothing")
@pytest.mark.parametrize("newer", [False, True])
def test_a_request_of_another_user_is_put_back_although_it_may_not_be_linked(
    markers: Markers, served: Identity, tmp_path: Path, newer: bool
) -> None:
    """fs.protected_hardlinks, on nearly everywhere, refuses links to files that one may not write."""
    markers.asides.set_aside(served, "1")
    (tmp_path / ASIDE).chmod(0o644)
    if newer:
        (tmp_path / REQUEST).write_text('{"request_id": "newer"}')
    tmp_path.chmod(0o777)
    program = (
        "import os, encodings.utf_8_sig\nfrom pathlib import Path\nfrom pinakad.markers.folder import Markers\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "print(Markers(Path('.')).asides.release('1', None))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "True\n"
    assert names(tmp_path) == {REQUEST}
    assert request_id(markers) == ("newer" if newer else "served")
