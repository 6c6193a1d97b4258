"""The supervisor as a program whose library is gone as soon as the launch is written down: an import ends it.

Arguments: the supervisor's file, then its own command line. It stands by as the supervisor does.
"""

import os
import runpy
import sys

IMPORTED_LATE = 99


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event == "import" and os.path.exists(f"{sys.argv[1]}/started"):  # noqa: PTH110 - no import may be needed here
        os.write(2, f"imports {arguments[0]}\n".encode())
        os._exit(IMPORTED_LATE)


if __name__ == "__main__":
    program, sys.argv = sys.argv[1], sys.argv[1:]
    sys.addaudithook(_refuse)
    runpy.run_path(program, run_name="__main__")
