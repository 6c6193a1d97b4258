import click
import pytest

from pinakad.cli.console.options import duration, valid_request_id
from pinakad.report.request import MAX_REQUEST_ID


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1.5m", 90), ("20m", 1200), ("2h", 7200), (" 5 ", 5), ("0", 0), ("8760h", 31_536_000)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "-1", "1d", "1 m", "1e3", "nan", "inf", "8761h", "٣"])
def test_anything_else_is_refused_with_the_text_and_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no duration: write 90, 90s, 20m or 2h"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "found"), [(None, None), (" ticket 7 ", "ticket 7"), ("x" * MAX_REQUEST_ID, "x" * MAX_REQUEST_ID)]
)
def test_a_request_id_is_kept_without_the_spaces_around_it(text: str | None, found: str | None) -> None:
    command = click.Command("x", params=[click.Option(["--id"])])
    assert valid_request_id(click.Context(command), command.params[0], text) == found


@pytest.mark.parametrize("text", ["", "  ", "x" * (MAX_REQUEST_ID + 1)])
def test_an_empty_or_overlong_request_id_is_refused(text: str) -> None:
    command = click.Command("x", params=[click.Option(["--id"])])
    with pytest.raises(click.BadParameter, match="a request id has 1 to"):
        valid_request_id(click.Context(command), command.params[0], text)
