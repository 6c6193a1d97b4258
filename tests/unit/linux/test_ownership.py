"""Is it found who, other than root, could change what root runs?"""

import os
from pathlib import Path

import pytest
from access_lists import grant

from pinakad.linux.ownership import weakness

OWN = {0, os.getuid()}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Give a script that only its owner can change, below folders of which the same holds."""
    folder = tmp_path / "outer" / "inner"
    folder.mkdir(parents=True)
    script = folder / "script.sh"
    script.write_text("exit 0\n", encoding="utf-8")
    return script


def test_a_script_of_ones_own_below_folders_of_ones_own_is_trusted(script: Path) -> None:
    assert weakness(script, OWN) is None


def test_what_belongs_to_somebody_else_is_named(script: Path) -> None:
    assert weakness(script, {4711}) == f"'/' belongs to {Path('/').owner()}, who could change it"


def test_a_folder_on_the_way_that_everybody_can_write_is_named(script: Path) -> None:
    script.parent.parent.chmod(0o777)
    assert weakness(script, OWN) == f"'{script.parent.parent}' can be changed by everybody (mode 0777)"


def test_a_folder_that_keeps_each_entry_for_its_owner_is_no_weakness(script: Path) -> None:
    script.parent.chmod(0o1777)
    assert weakness(script, OWN) is None


def test_a_script_that_everybody_can_write_is_named(script: Path) -> None:
    script.chmod(0o666)
    assert weakness(script, OWN) == f"'{script}' can be changed by everybody (mode 0666)"


def test_a_link_is_followed_to_what_it_leads_to(script: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("outer/inner")
    assert weakness(link / "script.sh", OWN) is None
    script.chmod(0o602)
    assert weakness(link / "script.sh", OWN) == f"'{script}' can be changed by everybody (mode 0602)"


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    assert "circle" in (weakness(tmp_path / "one", OWN) or "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_group_that_can_write_is_named_unless_it_is_roots(script: Path) -> None:
    script.chmod(0o664)
    assert weakness(script) is None
    os.chown(script, 0, 4711)
    assert weakness(script) == f"'{script}' can be changed by the group id 4711"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        weakness(tmp_path / "none", OWN)


@pytest.mark.parametrize(
    ("entry", "who"),
    [("u:4711:rw", "user id 4711"), ("g:4711:rw", "the group id 4711"), ("g:4711:w", "the group id 4711")],
)
@pytest.mark.parametrize("place", ["script.sh", ".", ".."])
def test_who_may_write_by_an_access_control_list_is_named(script: Path, entry: str, who: str, place: str) -> None:
    changed = Path(os.path.normpath(script.parent / place))
    grant(changed, entry)
    assert weakness(script, OWN) == f"'{changed}' can be changed by {who} (see getfacl)"


@pytest.mark.parametrize("entry", ["u:4711:rx", "g:4711:r", "u:0:rwx", "g:0:rwx", "d:u:4711:rwx"])
def test_a_list_that_lets_nobody_else_write_is_no_weakness(script: Path, entry: str) -> None:
    grant(script.parent, entry)
    assert weakness(script, OWN) is None


def test_a_mask_that_takes_the_writing_away_makes_a_list_harmless(script: Path) -> None:
    grant(script, "u:4711:rw", "m::r")
    assert weakness(script, OWN) is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
def test_a_group_that_only_the_mask_seems_to_let_write_is_not_blamed(script: Path) -> None:
    os.chown(script, 0, 4711)
    grant(script, "u:0:rw", "g::r")
    assert script.stat().st_mode & 0o020
    assert weakness(script) is None
