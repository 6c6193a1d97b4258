# ruff: noqa: PTH108, PTH114, PTH211
"""A member of the producers' group at work: exchanges a name in its current folder for a link, over and over.

python exchanger.py NAME TARGET... : as often as it can, what root makes under NAME becomes a link to one of TARGETs.
It says `ready`, and ends with its standard input.
"""

import ctypes
import itertools
import os
import select
import shutil
import sys
from contextlib import suppress

HERE, EXCHANGE = -100, 2  # AT_FDCWD, RENAME_EXCHANGE (renameat2(2))


def main(name: str, targets: list[str]) -> None:
    library = ctypes.CDLL(None)
    bait = f"{name}-bait"
    exchanged = 0
    print("ready", flush=True)
    for target in itertools.cycle(targets):
        with suppress(OSError):
            os.unlink(bait)
        with suppress(OSError):
            os.symlink(target, bait)
        for _ in range(2000):  # the name is there for a moment only
            if library.renameat2(HERE, bait.encode(), HERE, name.encode(), EXCHANGE) == 0:
                exchanged += 1
                break
        if select.select([sys.stdin], [], [], 0)[0]:
            print(exchanged, flush=True)
            return
        for left in (name, bait):
            if not os.path.islink(left):
                shutil.rmtree(left, ignore_errors=True)
            with suppress(OSError):
                os.unlink(left)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
