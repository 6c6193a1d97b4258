"""Is it told which names of the marker folder the daemon could not remove?"""

import os
import subprocess
from pathlib import Path

import pytest

from pinakad.cli.checks.account import Account
from pinakad.cli.checks.immovable import immovable
from pinakad.markers.names import CANCEL, COMPLETED, FAILED, REQUEST

DAEMON = Account("pinakasupport", 40_711, frozenset({40_711}))


def told(folder: Path) -> list[str]:
    return [finding.message for finding in immovable(folder, {path.name for path in folder.iterdir()}, DAEMON)]


@pytest.mark.parametrize("name", [REQUEST, CANCEL, COMPLETED, FAILED, ".pinakad-answer", ".pinakad-request-x"])
def test_a_folder_that_is_not_empty_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert told(tmp_path) == []
    (tmp_path / name / "file").touch()
    assert told(tmp_path) == [f"'{name}' cannot be removed by the daemon: it is a folder that is not empty"]


def test_the_names_of_others_are_none_of_our_business(tmp_path: Path) -> None:
    (tmp_path / "theirs" / "file").mkdir(parents=True)
    assert told(tmp_path) == []


def test_somebody_elses_in_a_folder_with_the_sticky_bit_is_told(tmp_path: Path) -> None:
    (tmp_path / CANCEL).touch()
    assert told(tmp_path) == []
    tmp_path.chmod(0o1777)
    (found,) = told(tmp_path)
    assert "keeps it for its owner (sticky bit)" in found
    if os.getuid() == 0:
        os.chown(tmp_path / CANCEL, DAEMON.uid, DAEMON.uid)
        assert told(tmp_path) == []


@pytest.mark.parametrize("flag", ["i", "a"])
def test_an_immutable_marker_is_told(tmp_path: Path, flag: str) -> None:
    marker = tmp_path / CANCEL
    marker.touch()
    done = subprocess.run(["chattr", f"+{flag}", marker], capture_output=True, check=False)
    expected = [f"'{CANCEL}' cannot be removed by the daemon: it is immutable"] if done.returncode == 0 else []
    try:
        assert told(tmp_path) == expected
    finally:
        subprocess.run(["chattr", f"-{flag}", marker], capture_output=True, check=False)
