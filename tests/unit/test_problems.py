import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinakad.printable import MAX_VALUE_CHARACTERS, printable
from pinakad.problems import Code, Severity, Spot, has_errors, pointer, show


def test_a_pointer_escapes_what_rfc_6901_escapes() -> None:
    assert pointer("a/b", "c~d", 3) == "/a~1b/c~0d/3"
    assert pointer() == ""


def test_a_problem_says_where_what_was_found_and_what_would_be_right() -> None:
    problem = Spot("node_01.json").at("roles", 0).error(Code.WRONG_TYPE, "must be a string", 7)
    assert problem.line() == "node_01.json /roles/0: must be a string (found 7)"
    assert (problem.severity, problem.path, problem.value) == (Severity.ERROR, "/roles/0", "7")


def test_a_problem_without_a_place_is_its_message() -> None:
    assert Spot("").warning(Code.OUTPUT_DROPPED, "5 bytes were dropped").line() == "5 bytes were dropped"


@given(st.text(), st.text(), st.text())
def test_a_problem_is_one_line_whatever_a_file_says(key: str, message: str, value: str) -> None:
    line = Spot("node_01.json").at(key).error(Code.BAD_VALUE, message, value).line()
    assert line.isprintable()


def test_a_very_long_key_does_not_make_a_very_long_line() -> None:
    problem = Spot("node_01.json").at("k" * 100_000).error(Code.BAD_VALUE, "m" * 100_000, "v" * 100_000)
    assert len(problem.line()) < 3_000


@pytest.mark.parametrize("value", [None, {"a": [1, 2.5]}, "\x1b[2J\n\u202e\ud800", datetime(2026, 1, 1, tzinfo=UTC)])
def test_a_shown_value_is_one_short_line_of_ascii(value: object) -> None:
    text = show(value)
    assert text.isascii()
    assert text.isprintable()


@given(st.text(max_size=500))
def test_a_shown_text_is_bounded(value: str) -> None:
    assert len(show(value)) <= MAX_VALUE_CHARACTERS
    if len(show(value)) < MAX_VALUE_CHARACTERS:
        assert json.loads(show(value)) == value


@given(st.text(alphabet=st.characters(), max_size=300))
def test_printable_leaves_nothing_that_moves_a_cursor(text: str) -> None:
    assert printable(text).isprintable()


def test_only_errors_fail_a_deployment() -> None:
    spot = Spot("node_01.json")
    assert not has_errors([spot.warning(Code.MTU_RANGE, "odd")])
    assert has_errors([spot.warning(Code.MTU_RANGE, "odd"), spot.error(Code.MISSING, "gone")])
