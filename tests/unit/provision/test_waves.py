"""How many nodes does a mistake cost, at most?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.provision.waves import waves_of

DEFAULT = [1, "10%", "100%"]


@pytest.mark.parametrize(
    ("number", "settings", "sizes"),
    [
        (0, DEFAULT, []),
        (1, DEFAULT, [1]),
        (2, DEFAULT, [1, 1]),
        (3, DEFAULT, [1, 2]),
        (10, DEFAULT, [1, 2, 7]),
        (100, DEFAULT, [1, 10, 89]),
        (1000, DEFAULT, [1, 100, 899]),
        (5, ["100%"], [5]),
        (5, [], [5]),
        (5, [2], [2, 3]),
        (1000, [1, 5, "1%"], [1, 5, 10, 984]),
    ],
)
def test_one_then_some_then_the_rest(number: int, settings: list[int | str], sizes: list[int]) -> None:
    assert [len(wave) for wave in waves_of(number, settings)] == sizes


_waves = st.lists(st.one_of(st.integers(1, 50), st.integers(1, 100).map(lambda share: f"{share}%")), max_size=6)


@given(st.integers(0, 500), _waves)
def test_every_node_is_in_one_wave_and_their_order_stays(number: int, settings: list[int | str]) -> None:
    assert [place for wave in waves_of(number, settings) for place in wave] == list(range(number))
