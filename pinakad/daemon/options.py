"""Which options does the daemon's command line have?"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from pinakad import __version__


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line of `pinakad`."""
    text = "Owns a bare-metal deployment from its request to a verdict that can be trusted. See also: pinakactl --help"
    made = argparse.ArgumentParser(prog="pinakad", description=text)
    made.add_argument("--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml")
    made.add_argument("--runner", choices=["subprocess", "systemd"], help="wins over [script] runner")
    made.add_argument("--check", action="store_true", help="check the configuration and exit")
    made.add_argument(
        "--version", action="version", version=f"pinakad {__version__}", help="print the version and exit"
    )
    return made


def options_of(made: argparse.ArgumentParser) -> Iterator[tuple[str, str | None, str]]:
    """Yield the options of a parser for the manual page: names, metavar, help text."""
    for action in made._actions:  # noqa: SLF001 - argparse has no public list of its actions
        choices = "|".join(map(str, action.choices)) if action.choices else None
        metavar = str(action.metavar) if action.metavar else choices
        yield ", ".join(action.option_strings), metavar, action.help or ""
