"""Run `pinakad-web`: the front door. systemd hands it its sockets, and starts it on the first connection."""

import gc
import sys

gc.disable()  # while modules are imported there is nothing to collect

from pinakad.web.startup import main as start  # noqa: E402 - the line above is for this one

gc.enable()


def main() -> None:
    """Run the program and end the process with its exit code."""
    sys.exit(start(sys.argv[1:]))


if __name__ == "__main__":
    main()
