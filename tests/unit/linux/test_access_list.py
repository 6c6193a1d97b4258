"""Is it seen what an access control list allows, after its mask?"""

from pathlib import Path

import pytest
from access_lists import grant

from pinakad.linux.access_list import AccessList, Grant, access_list


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of mode 0640."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    path.chmod(0o640)
    return path


def seen(path: Path) -> AccessList:
    return access_list(path, path.lstat())


def test_without_a_list_the_mode_says_what_the_group_may(file: Path) -> None:
    assert seen(file) == AccessList((), 4)


def test_named_users_and_groups_are_seen_with_what_they_may(file: Path) -> None:
    grant(file, "u:4711:rw", "g:4712:r")
    assert seen(file) == AccessList((Grant("user", 4711, 6), Grant("group", 4712, 4)), 4)


def test_the_mask_takes_away_what_an_entry_gives(file: Path) -> None:
    grant(file, "u:4711:rw", "g::rw", "m::r")
    assert seen(file) == AccessList((Grant("user", 4711, 4),), 4)


def test_the_modes_group_bits_are_the_mask_and_not_what_the_owning_group_may(file: Path) -> None:
    grant(file, "u:4711:rwx", "g::-")
    assert file.stat().st_mode & 0o070 == 0o070
    assert seen(file).owning_group == 0


def test_a_list_for_new_files_only_says_nothing_about_the_folder_itself(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    grant(tmp_path, "d:u:4711:rwx")
    assert seen(tmp_path) == AccessList((), 5)


def test_a_link_has_no_list_and_is_not_followed(file: Path) -> None:
    grant(file, "u:4711:rw")
    link = file.with_name("link")
    link.symlink_to(file)
    assert seen(link).named == ()
