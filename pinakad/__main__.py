"""The program `pinakad`: the daemon, in the foreground."""

import sys

from pinakad.options import parser


def main() -> None:
    """Read the command line and run the daemon."""
    words = parser().parse_args()
    from pinakad import start  # noqa: PLC0415 - --help and --version need none of it

    sys.exit(start.check(words.config) if words.check else start.main(words.config, words.runner))


if __name__ == "__main__":
    main()
