from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.polling.schedule import SPREAD, TICK_S, Schedule

GRID = Schedule(launched_s=100, delay_s=90, interval_s=5, attempts=120, exited_s=150)
MOMENTS = st.floats(0, 1e7)
GRIDS = st.builds(
    Schedule,
    launched_s=st.floats(0, 1e6),
    delay_s=st.floats(0, 86400),
    interval_s=st.floats(0.05, 3600),
    attempts=st.integers(1, 10_000),
    exited_s=st.none() | st.floats(0, 1e6),
    back_s=st.just(0.0) | st.floats(0, 1e6),
)


def test_the_defaults_poll_for_ten_minutes_after_ninety_seconds() -> None:
    assert (GRID.begins_s, GRID.ends_s) == (190, 790)


def test_there_is_no_end_while_the_script_lives() -> None:
    assert replace(GRID, exited_s=None).ends_s is None
    assert not replace(GRID, exited_s=None).is_last(1e9)


def test_a_script_that_exits_late_puts_the_end_off() -> None:
    assert replace(GRID, exited_s=1000).ends_s == 1600


@pytest.mark.parametrize(
    ("began_s", "exited_s", "back_s", "counts"),
    [
        (200, None, 0, False),
        (149.9, 150, 0, False),
        (150, 150, 0, True),
        (200, 150, 200.1, False),
        (200.1, 150, 200.1, True),
        (200, 210, 190, False),
    ],
)
def test_a_chance_begins_after_the_exit_and_after_the_daemon_came_back(
    began_s: float, exited_s: float | None, back_s: float, counts: bool
) -> None:
    assert replace(GRID, exited_s=exited_s, back_s=back_s).gives_a_chance(began_s) is counts


def test_a_daemon_that_was_away_does_not_move_the_slots_nor_the_end() -> None:
    assert replace(GRID, back_s=2000).ends_s == GRID.ends_s
    assert replace(GRID, back_s=2000).slot_from(2000, 0.5) == GRID.slot_from(2000, 0.5)


@pytest.mark.parametrize(("moment_s", "number"), [(0, 0), (189.9, 0), (190, 1), (194.9, 1), (195, 2), (785, 120)])
def test_slots_are_counted_for_people(moment_s: float, number: int) -> None:
    assert GRID.number(moment_s) == number


def test_each_place_has_its_own_moment_within_the_interval() -> None:
    assert [GRID.slot_from(0, place) for place in (0, 0.25, 0.5, 0.75)] == [190, 191, 192, 193]
    assert [GRID.slot_from(191.5, place) for place in (0, 0.25, 0.5)] == [195, 196, 192]


@given(GRIDS, MOMENTS, st.floats(0, 1, exclude_max=True))
def test_a_slot_is_on_the_grid_and_the_first_that_is_not_past(
    schedule: Schedule, moment_s: float, place: float
) -> None:
    slot_s = schedule.slot_from(moment_s, place)
    steps = (slot_s - schedule.begins_s - place * SPREAD * schedule.interval_s) / schedule.interval_s
    assert abs(steps - round(steps)) * schedule.interval_s <= TICK_S / 2 + 1e-6 * schedule.interval_s + 1e-6
    assert slot_s >= schedule.begins_s
    assert slot_s >= moment_s - schedule.interval_s * 1e-6 - 1e-6
    assert slot_s == schedule.slot_from(0, place) or slot_s - moment_s < schedule.interval_s * (1 + 1e-6) + 1e-6


@given(GRIDS, st.floats(0, 1, exclude_max=True), st.integers(1, 2000))
def test_slots_do_not_drift(schedule: Schedule, place: float, count: int) -> None:
    first_s = slot_s = schedule.slot_from(0, place)
    for _ in range(min(count, 200)):
        slot_s = schedule.slot_from(slot_s + schedule.interval_s / 2, place)
    assert slot_s == pytest.approx(first_s + min(count, 200) * schedule.interval_s, rel=1e-9, abs=1e-6)


@given(GRIDS, st.floats(0, 1, exclude_max=True))
def test_a_sleep_that_ends_on_a_slot_finds_this_slot(schedule: Schedule, place: float) -> None:
    slot_s = schedule.slot_from(5000, place)
    assert schedule.slot_from(slot_s, place) == pytest.approx(slot_s, rel=1e-12)


@given(GRIDS, st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5))
def test_the_end_is_the_same_for_all_and_every_node_has_its_attempts_before_it(
    schedule: Schedule, places: list[float]
) -> None:
    if schedule.ends_s is None:
        return
    assert schedule.ends_s >= schedule.begins_s + schedule.attempts * schedule.interval_s - 1e-6
    for place in places:
        first_s = schedule.slot_from(0, place)
        assert first_s + (schedule.attempts - 1) * schedule.interval_s < schedule.ends_s


@given(GRIDS, st.floats(0, 1, exclude_max=True))
def test_exactly_one_slot_before_the_end_is_the_last(schedule: Schedule, place: float) -> None:
    if schedule.ends_s is None:
        return
    slot_s = schedule.slot_from(schedule.ends_s - 1.5 * schedule.interval_s, place)
    before_end = [
        slot_s + k * schedule.interval_s for k in range(3) if slot_s + k * schedule.interval_s < schedule.ends_s
    ]
    assert [schedule.is_last(moment_s) for moment_s in before_end].count(True) == 1


@pytest.mark.parametrize(
    ("number", "interval_s", "last_s"),
    [(1, 5, 0.0), (2, 5, 0.0), (50, 1, 0.05), (100, 0.1, 0.08), (1_000, 5, 1.0), (4_000, 5, 4.0), (10_000, 5, 4.0)],
)
def test_few_nodes_are_asked_close_to_each_other_and_many_use_the_interval(
    number: int, interval_s: float, last_s: float
) -> None:
    schedule = Schedule(launched_s=100, delay_s=0, interval_s=interval_s, attempts=1)
    slot_s = schedule.slot_from(100, schedule.offset(number - 1, number))
    assert slot_s - 100 == pytest.approx(last_s, abs=TICK_S)
    assert schedule.slot_from(100, schedule.offset(0, number)) == 100
