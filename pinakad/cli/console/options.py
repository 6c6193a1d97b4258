"""The values of options that several commands take."""

import re

import click

from pinakad.report.request import MAX_REQUEST_ID

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|m|h|)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600}
_MAX_S = 365 * 86400.0


def duration(text: str) -> float:
    """Return the seconds that an option names: a number, with s, m or h where it is not seconds."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or (seconds := float(match[1]) * _UNITS_S[match[2]]) > _MAX_S:
        raise click.BadParameter(f"'{text}' is no duration: write 90, 90s, 20m or 2h")
    return seconds


def valid_request_id(_ctx: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """Check an id of the operator's."""
    if text is not None and (not text.strip() or len(text) > MAX_REQUEST_ID):
        raise click.BadParameter(f"a request id has 1 to {MAX_REQUEST_ID} characters")
    return text.strip() if text is not None else None
