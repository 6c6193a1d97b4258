"""The program `pinakad`: the daemon, in the foreground."""

import argparse
import sys
from pathlib import Path

from pinakad import __version__


def main() -> None:
    """Read the command line and run the daemon."""
    parser = argparse.ArgumentParser(prog="pinakad", description="Owns a bare-metal deployment to its verdict.")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml"
    )
    parser.add_argument("--runner", choices=["subprocess", "systemd"], help="wins over [script] runner")
    parser.add_argument("--check", action="store_true", help="check the configuration and exit")
    parser.add_argument("--version", action="version", version=f"pinakad {__version__}")
    options = parser.parse_args()
    from pinakad import daemon  # noqa: PLC0415 - --help and --version need none of it

    sys.exit(daemon.check(options.config) if options.check else daemon.main(options.config, options.runner))


if __name__ == "__main__":
    main()
