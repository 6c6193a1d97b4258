from pathlib import Path

import pytest

from pinakad.client.access import opened
from pinakad.client.errors import NoWriteError
from pinakad.client.node_store import RETIRED, file_name, locked, next_number, retire, store


@pytest.mark.parametrize(("number", "name"), [(1, "node_01.json"), (99, "node_99.json"), (100, "node_100.json")])
def test_a_number_has_at_least_two_digits(number: int, name: str) -> None:
    assert file_name(number) == name


@pytest.mark.parametrize(
    ("names", "number"),
    [
        ((), 1),
        (("node_01.json",), 2),
        (("node_9.json", "node_010.json"), 11),
        (("node_02.json", f"{RETIRED}/node_17.json"), 18),
        (("other.json", "node_x.json"), 1),
    ],
)
def test_the_next_number_is_after_all_that_are_there_or_retired(
    tmp_path: Path, names: tuple[str, ...], number: int
) -> None:
    for name in names:
        place = tmp_path / name
        place.parent.mkdir(exist_ok=True)
        place.touch()
    with opened(tmp_path) as folder:
        assert next_number(folder) == number


def test_files_are_stored_whole_under_the_next_numbers_and_no_draft_is_left(tmp_path: Path) -> None:
    (tmp_path / "node_04.json").touch()
    with locked(tmp_path) as folder:
        assert store(folder, [b"a", b"b"]) == ["node_05.json", "node_06.json"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "node_04.json": b"",
        "node_05.json": b"a",
        "node_06.json": b"b",
    }


def test_a_retired_file_keeps_its_content_and_takes_no_other_files_place(tmp_path: Path) -> None:
    for text in ("first", "second"):
        (tmp_path / "node_01.json").write_text(text, encoding="utf-8")
        with locked(tmp_path) as folder:
            (place,) = retire(folder, ["node_01.json"])
        assert place.read_text(encoding="utf-8") == text
    assert sorted(path.name for path in (tmp_path / RETIRED).iterdir()) == ["node_01.json", "node_01.json.1"]


def test_a_folder_that_is_not_there_is_an_error_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(NoWriteError) as caught, locked(tmp_path / "gone"):
        pass
    assert caught.value.folder == tmp_path / "gone"
