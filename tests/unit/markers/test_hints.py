import logging
from pathlib import Path

import pytest

from pinakad.markers.hints import MarkerHints, hints

REQUEST = "deployment_in_progress"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / ".markers" / "deplyment_status"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize(
    ("name", "right"),
    [
        *((name, REQUEST) for name in ("deployment_inprogress", "deployment-in-progress", "DEPLOYMENT_IN_PROGRESS")),
        *(
            (name, REQUEST)
            for name in ("deployment_in_progress.json", "deployment_in_progress.TXT", "deployment in progress")
        ),
        *(
            (name, REQUEST)
            for name in ("deplyment_in_progress", "deployment_in_progres", "Deployment_in_progress.json.txt")
        ),
        *(
            (name, "deployment_cancel")
            for name in ("deployment_cancelled", "deployment-cancel", "deployment_cancel.txt")
        ),
    ],
)
def test_what_is_nearly_a_marker_is_named_with_the_marker_that_was_meant(folder: Path, name: str, right: str) -> None:
    (folder / name).touch()
    (found,) = hints(folder)
    assert name in found.text
    assert f"'{right}'" in found.text
    assert (found.path, found.right) == (folder / name, folder / right)


@pytest.mark.parametrize(
    "name",
    [
        *(REQUEST, "deployment_cancel", "deployment_completed", "deployment_failed", ".pinakad-request-x"),
        *(
            "deployment",
            "in_progress",
            "upgrade_in_progress",
            "deployment_in_progress.tmp",
            ".deployment_in_progress.swp",
        ),
        *("deployment_paused", "x" * 200),
    ],
)
def test_other_names_are_nobodys_business(folder: Path, name: str) -> None:
    (folder / name).touch()
    assert hints(folder) == []


def test_the_folder_of_the_right_spelling_is_named_and_what_lies_in_it(folder: Path) -> None:
    other = folder.with_name("deployment_status")
    other.mkdir()
    (found,) = hints(folder)
    assert "'deployment_status' beside 'deplyment_status'" in found.text
    (other / REQUEST).touch()
    (found,) = hints(folder)
    assert f"it holds a '{REQUEST}'" in found.text


def test_a_folder_that_has_another_name_or_the_right_one_has_no_such_sibling(tmp_path: Path) -> None:
    for name in ("deployment_status", "markers"):
        (tmp_path / name).mkdir()
    assert hints(tmp_path / "deployment_status") == []
    assert hints(tmp_path / "markers") == []


def test_hints_are_logged_once_and_again_where_they_come_back(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    logged = MarkerHints(folder)
    near = folder / "deployment_inprogress"
    for there in (True, True, False, True):
        near.touch() if there else near.unlink()
        logged.log_new()
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2


def test_thousands_of_such_names_are_few_hints(folder: Path) -> None:
    for number in range(300):
        (folder / f"deployment_in_progress{number % 10}{'_' * (number // 10)}").touch()
    assert len(hints(folder)) == 5
