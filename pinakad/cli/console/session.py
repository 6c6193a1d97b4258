"""What do all commands share: which configuration, which folders, and what is an error of a command?"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinakad.printable import printable

if TYPE_CHECKING:
    from pinakad.config import Config

EXIT_USAGE = 2
_MAX_LINE = 4000


class FaultError(click.ClickException):
    """A command cannot go on. The text says what, why and what to do; one line for each finding."""


class WrongUseError(FaultError):
    """What was asked for cannot be meant: wrong arguments or a wrong configuration."""

    exit_code = EXIT_USAGE


class _Lines(logging.Formatter):
    """Nothing that a message says reaches the terminal unescaped."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        return printable(super().formatMessage(record), _MAX_LINE)


@dataclass
class Session:
    """One call of pinakactl: its global options."""

    config: Path | None = None
    debug: bool = False

    def set_up_log(self) -> None:
        """Warnings of the modules that are used go to stderr as lines of the program's own."""
        level = logging.DEBUG if self.debug else logging.WARNING
        handler = logging.StreamHandler()
        handler.setFormatter(_Lines("pinakactl: %(message)s"))
        logging.basicConfig(level=level, handlers=[handler])

    def settings(self) -> "Config":
        """Read the configuration as the daemon does; where it cannot be used, with the daemon's words."""
        from pinakad.config import ConfigError, load  # noqa: PLC0415 - `--help` needs none of it

        try:
            return load(self.config)
        except ConfigError as error:
            raise WrongUseError(str(error)) from error


pass_session = click.make_pass_decorator(Session)
