"""What has a name of ours is removed, or moved away."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from pinakad.markers.removal import MarkerRemoval, is_folder
from pinakad.state.troubles import Troubles


def _full_folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _link_to_folder(path: Path) -> None:
    (path.parent / "target").mkdir()
    path.symlink_to("target")


@pytest.fixture
def removal(tmp_path: Path) -> MarkerRemoval:
    return MarkerRemoval(tmp_path, Troubles())


@pytest.mark.parametrize(
    "make", [Path.touch, Path.mkdir, _dangling, _link_to_folder, _full_folder], ids=lambda make: make.__name__
)
def test_whatever_has_the_name_is_gone(removal: MarkerRemoval, tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "name")
    assert removal.remove_durably("other", "name")
    assert "name" not in {entry.name for entry in tmp_path.iterdir()}
    assert removal.obstacles == {}
    assert (tmp_path / "target").exists() is (make is _link_to_folder)


def test_where_nothing_is_nothing_was_there(removal: MarkerRemoval) -> None:
    assert not removal.remove_durably("name", "other")


def test_what_is_moved_away_is_logged_with_its_new_name(
    removal: MarkerRemoval, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _full_folder(tmp_path / "name")
    assert removal.remove("name")
    (away,) = tmp_path.iterdir()
    assert away.name.startswith(".pinakad-away-name-")
    (record,) = caplog.records
    assert (record.levelno, away.name in record.getMessage()) == (logging.WARNING, True)


def test_a_folder_that_is_not_there_is_no_obstacle_but_an_error(tmp_path: Path) -> None:
    removal = MarkerRemoval(tmp_path / "name", Troubles())
    (tmp_path / "name").touch()
    with pytest.raises(NotADirectoryError):
        removal.remove("x")
    assert removal.obstacles == {}


def test_a_link_to_a_folder_is_none(tmp_path: Path) -> None:
    _link_to_folder(tmp_path / "name")
    assert (is_folder(tmp_path / "name"), is_folder(tmp_path / "target"), is_folder(tmp_path / "x")) == (
        False,
        True,
        False,
    )
