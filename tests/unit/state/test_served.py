"""served.json: which requests were taken, and are not known to be gone."""

from itertools import product
from pathlib import Path

import pytest

from pinakad.report.request import RequestPart
from pinakad.state.served import MAX_ENTRIES, FolderIdentity, ServedRequest, ServedRequests, served_request

REQUEST = RequestPart(id="r", nodes=["node_01.json"], inode=5, mtime_ns=7, size=9, sha256="0" * 64)


def name(number: int) -> str:
    return f"20261123T212455Z.{number:04d}"


@pytest.fixture
def served(tmp_path: Path) -> ServedRequests:
    served = ServedRequests(tmp_path / "served.json")
    served.load()
    return served


def read_again(served: ServedRequests) -> list[ServedRequest]:
    again = ServedRequests(served.path)
    again.load()
    assert not again.is_new
    return again.entries


@pytest.mark.parametrize("changed", [None, "inode", "mtime_ns", "size", "sha256"])
@pytest.mark.parametrize(("gone", "answered"), list(product([False, True], repeat=2)))
def test_a_request_is_served_while_its_identity_is_remembered_and_it_was_not_seen_to_go(
    served: ServedRequests, changed: str | None, gone: bool, answered: bool
) -> None:
    served.remember(served_request(name(1), REQUEST, None))
    served.note(name(1), gone=gone, answered=answered)
    values = {"inode": 6, "mtime_ns": 8, "size": 10, "sha256": "1" * 64}
    request = REQUEST.model_copy(update={changed: values[changed]} if changed else {})
    assert (served.serving(request) is not None) is (changed is None and not gone)
    (entry,) = read_again(served)
    assert (entry.gone, entry.answered, entry.is_over) == (gone, answered, gone and answered)


def test_what_became_of_a_request_is_never_taken_back(served: ServedRequests) -> None:
    served.remember(served_request(name(1), REQUEST, None))
    served.note(name(1), gone=True)
    served.note(name(1), answered=True)
    served.note(name(1))
    assert read_again(served)[0].is_over


def test_what_is_not_remembered_is_neither_noted_nor_forgotten(served: ServedRequests) -> None:
    served.note(name(1), gone=True)
    served.forget(name(1))
    assert not served.path.exists()


def test_an_entry_replaces_the_one_of_its_id_and_goes_by_it(served: ServedRequests) -> None:
    served.remember(served_request(name(1), REQUEST, None))
    served.remember(served_request(name(2), REQUEST, None))
    served.remember(served_request(name(1), REQUEST, None, cancel_since_ns=3))
    assert [(entry.id, entry.cancel_since_ns) for entry in read_again(served)] == [(name(2), 0), (name(1), 3)]
    served.forget(name(2))
    assert [entry.id for entry in read_again(served)] == [name(1)]


def test_the_oldest_entries_go_where_there_are_too_many(served: ServedRequests) -> None:
    for number in range(MAX_ENTRIES + 2):
        served.remember(served_request(name(number), REQUEST, None))
    assert [entry.id for entry in read_again(served)] == [name(number) for number in range(2, MAX_ENTRIES + 2)]


@pytest.mark.parametrize("text", ["", "{", "{}", "[1]", "null"])
def test_a_file_that_cannot_be_read_is_a_new_one(served: ServedRequests, text: str) -> None:
    served.path.write_text(text)
    served.load()
    assert (served.is_new, served.entries) == (True, [])
    served.write_again()
    assert read_again(served) == []


@pytest.mark.parametrize(
    ("boot_id", "device", "inode", "same"),
    [
        ("a", 1, 2, True),
        ("a", 9, 2, False),  # within one boot the device counts
        ("b", 9, 2, True),  # over a boot it does not
        ("a", 1, 3, False),
        ("b", 1, 3, False),
    ],
)
def test_a_folder_is_known_again_over_a_boot(boot_id: str, device: int, inode: int, same: bool) -> None:
    one = FolderIdentity(boot_id="a", device=1, inode=2)
    assert one.is_same(FolderIdentity(boot_id=boot_id, device=device, inode=inode)) is same
