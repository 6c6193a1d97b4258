"""What does not work is logged once and shown as long as it lasts."""

import logging

import pytest

from pinakad.events import Event
from pinakad.state.troubles import Troubles


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.fixture(autouse=True)
def _every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def test_a_trouble_is_logged_once_however_often_it_is_noted(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for _ in range(3):
        troubles.note("disk", "cannot write it: no space")
    assert lines(caplog) == [(logging.ERROR, "cannot write it: no space; it is tried again")]
    assert troubles.text == "cannot write it: no space"


def test_another_cause_is_another_line(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for cause in ("no space", "no space", "read-only", "no space"):
        troubles.note("disk", cause)
    assert [text for _, text in lines(caplog)] == [
        f"{cause}; it is tried again" for cause in ("no space", "read-only", "no space")
    ]


def test_its_end_is_logged_once_and_it_is_not_shown_any_more(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.note("disk", "cannot write it")
    for _ in range(3):
        troubles.clear("disk")
    assert lines(caplog)[1:] == [(logging.INFO, "recovered: cannot write it")]
    assert troubles.text == ""


def test_what_comes_back_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for _ in range(2):
        troubles.note("disk", "cannot write it")
        troubles.clear("disk")
    assert len(lines(caplog)) == 4


def test_what_never_failed_is_not_reported_to_work(caplog: pytest.LogCaptureFixture) -> None:
    Troubles().clear("disk")
    assert lines(caplog) == []


def test_what_is_not_needed_any_more_is_not_shown_and_not_reported_to_work(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.note("disk", "cannot write it")
    troubles.forget("disk")
    troubles.forget("disk")
    assert (len(lines(caplog)), troubles.text) == (1, "")


def test_the_oldest_of_several_is_shown_and_the_end_of_one_is_not_that_of_another() -> None:
    troubles = Troubles()
    troubles.note("first", "1")
    troubles.note("second", "2")
    troubles.note("first", "1 again")
    assert troubles.text == "1 again"
    troubles.clear("first")
    assert troubles.text == "2"
    troubles.note("first", "1")
    assert troubles.text == "2"


def test_both_lines_carry_the_event(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    troubles.note("markers", "cannot check them", Event.REQUEST_PROBLEM)
    troubles.clear("markers")
    assert [vars(record)["event"] for record in caplog.records] == [Event.REQUEST_PROBLEM] * 2
