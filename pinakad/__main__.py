"""The program `pinakad`: the daemon, in the foreground."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pinakad import __version__


def main() -> None:
    """Read the command line and run the daemon."""
    words = _parser().parse_args()
    from pinakad import daemon  # noqa: PLC0415 - --help and --version need none of it

    sys.exit(daemon.check(words.config) if words.check else daemon.main(words.config, words.runner))


def options() -> Iterator[tuple[str, str | None, str]]:
    """List the options for the manual page: names, what follows them, and what they do."""
    for action in _parser()._actions:  # noqa: SLF001 - argparse has no public way to tell what it knows
        choices = "|".join(map(str, action.choices)) if action.choices else None
        text = action.help or ""
        yield ", ".join(action.option_strings), str(action.metavar) if action.metavar else choices, text


def _parser() -> argparse.ArgumentParser:
    text = "Owns a bare-metal deployment from its request to a verdict that can be trusted. See also: pinakactl --help"
    parser = argparse.ArgumentParser(prog="pinakad", description=text)
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml"
    )
    parser.add_argument("--runner", choices=["subprocess", "systemd"], help="wins over [script] runner")
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")
    parser.add_argument(
        "--version", action="version", version=f"pinakad {__version__}", help="tell the version and exit"
    )
    return parser


if __name__ == "__main__":
    main()
