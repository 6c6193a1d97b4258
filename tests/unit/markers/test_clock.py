"""The time that a touch would leave is the file system's own."""

from pathlib import Path

from pinakad.markers.clock import MarkerClock


def test_the_time_is_that_of_a_touch_and_nothing_is_left(tmp_path: Path) -> None:
    clock = MarkerClock(tmp_path)
    before_ns = clock.now_ns()
    (tmp_path / "file").touch()
    assert before_ns <= (tmp_path / "file").stat().st_mtime_ns <= clock.now_ns()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_time_passes(tmp_path: Path) -> None:
    clock = MarkerClock(tmp_path)
    now_ns = clock.now_ns()
    while not clock.has_passed(now_ns):
        assert clock.now_ns() == now_ns
    assert clock.now_ns() > now_ns


def test_a_time_in_the_far_future_is_another_one_and_one_in_the_near_future_has_to_pass(tmp_path: Path) -> None:
    clock = MarkerClock(tmp_path)
    now_ns = clock.now_ns()
    assert clock.has_passed(now_ns + 10**12)
    assert not clock.has_passed(now_ns + 2 * 10**9)
    assert clock.has_passed(0)


def test_probes_that_were_left_go_and_nothing_else(tmp_path: Path) -> None:
    for name in (".pinakad-clock-0", ".pinakad-clock-abcd", ".pinakad-clock", ".pinakad-answer"):
        (tmp_path / name).touch()
    (tmp_path / ".pinakad-clock-folder").mkdir()
    MarkerClock(tmp_path).remove_probes()
    left = {".pinakad-clock", ".pinakad-answer", ".pinakad-clock-folder"}
    assert {entry.name for entry in tmp_path.iterdir()} == left
