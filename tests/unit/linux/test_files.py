import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pinakad.linux.files import NotRegularError, link_or_move, read_regular, write_all, write_new, write_whole


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    before = path.stat().st_ino
    write_whole(path, b"new", 0o640, durable=True)
    assert (path.read_bytes(), path.stat().st_mode & 0o7777) == (b"new", 0o640)
    assert path.stat().st_ino != before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("durable", [True, False])
def test_links_are_replaced_and_never_written_through(tmp_path: Path, durable: bool) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    for name in ("x", ".x.new"):
        (tmp_path / name).symlink_to("precious")
    write_whole(tmp_path / "x", b"new", durable=durable)
    assert precious.read_text() == "precious"
    assert not (tmp_path / "x").is_symlink()


def test_a_hard_link_under_the_drafts_name_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    os.link(tmp_path / "precious", tmp_path / ".x.new")
    write_whole(tmp_path / "x", b"new", durable=False)
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("name", ["x", ".x.new"])
def test_a_folder_in_the_place_of_a_file_of_ours_gets_another_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "precious").touch()
    write_whole(tmp_path / "x", b"new", durable=True)
    assert (tmp_path / "x").read_bytes() == b"new"
    assert [path.parent.name.startswith(name) for path in tmp_path.glob("*/precious")] == [True]


def test_what_cannot_be_written_leaves_all_as_it_was(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "x", b"new", durable=True)


def test_a_file_that_finds_no_room_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    program = (
        "import sys\nfrom pathlib import Path\nfrom pinakad.linux.files import write_whole\n"
        "write_whole(Path(sys.argv[1]), b'n' * 50000, durable=True)"
    )
    limited = f'ulimit -f 20; exec "{sys.executable}" -c "$0" "$1"'  # no file over 20 KiB
    done = subprocess.run(["bash", "-c", limited, program, tmp_path / "x"], capture_output=True, check=False)
    assert b"File too large" in done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


def test_many_files_are_written_with_one_mode(tmp_path: Path) -> None:
    write_all(tmp_path, {"a": b"1", "b": b""}, 0o640)
    assert {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {"a": 0o640, "b": 0o640}
    write_new(tmp_path / "a", b"2", 0o600, durable=True)
    assert (tmp_path / "a").read_bytes() == b"2"


def test_a_regular_file_is_read_and_one_byte_more_than_the_limit_at_most(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"a" * 100)
    assert read_regular(path, 100) == b"a" * 100
    assert read_regular(path, 50) == b"a" * 51


@pytest.mark.parametrize("kind", ["link", "dangling link", "folder", "pipe", "socket", "device"])
def test_what_is_no_regular_file_is_neither_followed_nor_waited_for(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "link":
        (tmp_path / "target").write_text("")
        path.symlink_to("target")
    elif kind == "dangling link":
        path.symlink_to("target")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    else:
        path = Path("/dev/zero")
    with pytest.raises(NotRegularError):
        read_regular(path, 10)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "x", 10)


@pytest.mark.parametrize("folder", [False, True])
def test_a_name_that_is_taken_is_not_replaced(tmp_path: Path, folder: bool) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir() if folder else source.write_text("a")
    target.write_text("b")
    with pytest.raises(FileExistsError):
        link_or_move(source, target)
    assert source.exists()
    target.unlink()
    link_or_move(source, target)
    assert not source.exists()
    assert target.is_dir() is folder
