"""The program `pinakactl`, also as python -m pinakad.cli."""

import gc


def main() -> None:
    """Run the command that the command line names, and end the process with its exit code."""
    gc.disable()  # while it imports there is no garbage, and to look for it takes a twentieth of the start
    from pinakad.cli import program  # noqa: PLC0415 - for that

    gc.freeze()
    gc.enable()
    program.main()


if __name__ == "__main__":
    main()
