"""Does a setup of an image stay in the image, whatever the image's links say?"""

import os
from pathlib import Path

import pytest

from pinakad.cli.install.changes import MachineChanges
from pinakad.linux.open_folder import folder_in
from pinakad.linux.walk import resolved_in

UNIT = Path("etc/systemd/system/pinakad.service")


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Give an image whose links lead to the host where they are followed as the host sees them."""
    image, host = tmp_path / "image", tmp_path / "host"
    (image / "etc").mkdir(parents=True)
    host.mkdir()
    return image


def everything(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def test_a_folder_that_is_an_absolute_link_leads_into_the_image(image: Path, tmp_path: Path) -> None:
    host = tmp_path / "host"
    (image / "etc" / "systemd").symlink_to(host)
    (image / str(host).lstrip("/")).mkdir(parents=True)
    MachineChanges(image, dry_run=False).write(UNIT, "[Unit]\n")
    assert everything(host) == []
    written = image / str(host).lstrip("/") / "system" / "pinakad.service"
    assert written.read_text(encoding="utf-8") == "[Unit]\n"


def test_a_link_that_climbs_out_ends_at_the_images_root(image: Path, tmp_path: Path) -> None:
    (image / "etc" / "systemd").symlink_to("../../../../../../../../../../usr")
    (image / "usr").mkdir()
    MachineChanges(image, dry_run=False).write(UNIT, "[Unit]\n")
    assert (image / "usr" / "system" / "pinakad.service").exists()


def test_a_file_that_is_a_link_is_replaced_not_written_through(image: Path, tmp_path: Path) -> None:
    target = tmp_path / "host" / "file"
    target.write_text("before", encoding="utf-8")
    (image / UNIT).parent.mkdir(parents=True)
    (image / UNIT).symlink_to(target)
    work = MachineChanges(image, dry_run=False)
    work.write(UNIT, "[Unit]\n")
    assert (target.read_text(encoding="utf-8"), (image / UNIT).is_symlink()) == ("before", False)
    assert (image / UNIT).read_text(encoding="utf-8") == "[Unit]\n"


def test_a_folder_that_is_a_link_to_nothing_is_made_in_the_image(image: Path, tmp_path: Path) -> None:
    (image / "etc" / "systemd").symlink_to(tmp_path / "host" / "new")
    (image / str(tmp_path).lstrip("/") / "host").mkdir(parents=True)
    MachineChanges(image, dry_run=False).write(UNIT, "[Unit]\n")
    assert everything(tmp_path / "host") == []
    assert (image / str(tmp_path).lstrip("/") / "host" / "new" / "system" / "pinakad.service").exists()


def test_links_in_a_circle_end(image: Path) -> None:
    (image / "etc" / "systemd").symlink_to("systemd")
    with pytest.raises(OSError, match="symbolic links"):
        folder_in(image, UNIT.parent)
    with pytest.raises(OSError, match="symbolic links"):
        resolved_in(image, UNIT)


def test_what_is_removed_and_linked_is_the_images(image: Path, tmp_path: Path) -> None:
    host = tmp_path / "host" / "bin"
    host.mkdir()
    (host / "pinakactl").symlink_to("/opt/other")
    (image / "usr" / "local").mkdir(parents=True)
    (image / "usr" / "local" / "bin").symlink_to(host)
    (image / str(host).lstrip("/")).mkdir(parents=True)
    work = MachineChanges(image, dry_run=False)
    place = Path("usr/local/bin/pinakactl")
    work.link(place, Path("/opt/pinakad/bin/pinakactl"))
    inside = image / str(host).lstrip("/") / "pinakactl"
    assert inside.readlink() == Path("/opt/pinakad/bin/pinakactl")
    work.remove(place)
    assert not os.path.lexists(inside)
    assert (host / "pinakactl").readlink() == Path("/opt/other")


def test_a_dry_run_writes_nothing_and_what_is_there_already_is_unchanged(
    image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    MachineChanges(image, dry_run=True).write(UNIT, "[Unit]\n")
    assert everything(image) == [image / "etc"]
    MachineChanges(image, dry_run=False).write(UNIT, "[Unit]\n")
    work = MachineChanges(image, dry_run=False)
    work.write(UNIT, "[Unit]\n")
    assert not work.changed
    assert f"unchanged  {image / UNIT}" in capsys.readouterr().out


def test_a_path_is_resolved_in_the_image(image: Path, tmp_path: Path) -> None:
    (image / "home").symlink_to("/data/home")
    assert resolved_in(image, Path("/home/a/b")) == image / "data" / "home" / "a" / "b"
