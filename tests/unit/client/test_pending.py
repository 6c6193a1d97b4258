import itertools

import pytest

from pinakad.client.pending import carries


@pytest.mark.parametrize(
    ("ids", "found"),
    [(None, False), ("", False), ("b", True), ("a b", True), ("b c", True), ("a b c", True), ("ab", False)],
)
def test_a_request_carries_its_own_id_and_those_of_the_requests_joined_to_it(ids: str | None, *, found: bool) -> None:
    assert carries(ids, "b") is found


def test_an_id_with_a_space_is_carried_only_as_a_whole() -> None:
    for before, after in itertools.product(("", "x "), ("", " y")):
        assert carries(f"{before}ticket 7{after}", "ticket 7")
    assert not carries("ticket 8", "ticket 7")
    assert not carries("ticket", "ticket 7")
