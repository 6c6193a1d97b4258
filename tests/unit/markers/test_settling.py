"""A request is taken when its writer is done with it, and not later than the limits say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pinakad.markers.folder import Markers
from pinakad.markers.names import REQUEST
from pinakad.markers.settling import OPEN_LIMIT_S, QUIET_S


@pytest.fixture
def markers(tmp_path: Path) -> Markers:
    return Markers(tmp_path)


def test_a_closed_request_is_taken_at_once_and_another_when_it_has_been_still(markers: Markers, tmp_path: Path) -> None:
    marker = tmp_path / REQUEST
    marker.touch()
    assert markers.settling.settles_in_s(10.0, closed=True) == 0
    assert markers.settling.settles_in_s(20.0, closed=False) == pytest.approx(QUIET_S)
    assert markers.settling.settles_in_s(20.15, closed=False) == pytest.approx(0.05)
    marker.write_text("{")
    assert markers.settling.settles_in_s(20.19, closed=False) == pytest.approx(QUIET_S)
    assert markers.settling.settles_in_s(20.39, closed=False) == pytest.approx(0)
    marker.chmod(0o600)
    assert markers.settling.settles_in_s(20.4, closed=False) == pytest.approx(QUIET_S)


def test_a_request_that_went_and_came_is_timed_anew(markers: Markers, tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    markers.settling.settles_in_s(0.0, closed=False)
    (tmp_path / REQUEST).unlink()
    assert markers.settling.settles_in_s(0.1, closed=False) == 0
    (tmp_path / REQUEST).touch()
    assert markers.settling.settles_in_s(5.0, closed=False) == pytest.approx(QUIET_S)


@pytest.mark.parametrize("content", ["", '{"nodes": ["node_0'])
def test_a_request_that_is_still_open_and_says_nothing_sound_is_waited_for_but_not_for_ever(
    markers: Markers, tmp_path: Path, content: str
) -> None:
    with (tmp_path / REQUEST).open("w") as writer:
        writer.write(content)
        writer.flush()
        assert markers.settling.settles_in_s(0.0, closed=False) == pytest.approx(QUIET_S)
        assert markers.settling.settles_in_s(1.0, closed=False) == pytest.approx(QUIET_S)
        assert markers.settling.settles_in_s(OPEN_LIMIT_S, closed=False) == 0
        assert markers.settling.settles_in_s(1.0, closed=False) > 0
    assert markers.settling.settles_in_s(1.0, closed=False) == 0


def test_a_request_that_is_still_open_and_sound_is_not_waited_for(markers: Markers, tmp_path: Path) -> None:
    with (tmp_path / REQUEST).open("w") as writer:
        writer.write('{"request_id": "a"}')
        writer.flush()
        assert markers.settling.settles_in_s(0.0, closed=False) > 0
        assert markers.settling.settles_in_s(QUIET_S, closed=False) == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to be somebody who owns nothing")
def test_where_leases_are_not_for_us_the_events_decide(tmp_path: Path) -> None:
    (tmp_path / REQUEST).touch()
    tmp_path.chmod(0o777)
    while (status := (tmp_path / REQUEST).stat()).st_mtime_ns == status.st_ctime_ns:
        (tmp_path / "again").unlink(missing_ok=True)
        os.link(tmp_path / REQUEST, tmp_path / "again")
    program = (
        "import os, sys, encodings.utf_8_sig\nfrom pathlib import Path\nfrom pinakad.markers.settling import Settling\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "def settles(created):\n    settling = Settling(Path('deployment_in_progress'))\n"
        "    settling.settles_in_s(0.0, closed=False)\n"
        "    return settling.settles_in_s(1.0, closed=False, created=created) == 0.0\n"
        "print(settles(False), settles(True))"
    )

    def settled() -> str:
        command = [sys.executable, "-c", program]
        return subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True).stdout

    assert settled() == "True True\n"
    (tmp_path / REQUEST).unlink()
    (tmp_path / REQUEST).touch()
    assert settled() == "True False\n"
