"""What a login worker gives up before it talks to a node: it has the key, and reads what hostile machines send.

What the unit's sandbox forbids the daemon (system calls, name spaces, new privileges) is inherited.
"""

import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

from pinakad.linux import calls
from pinakad.linux.landlock import restrict_to_reading

_DUMPABLE = 4  # PR_SET_DUMPABLE (prctl(2)): no process of the same user may look into the memory, where the key is
_OOM_SCORE = "500"
_LIBRARIES = ("/usr/lib", "/lib", "/usr/lib64", "/lib64", "/usr/local/lib")


def before_the_key() -> None:
    """Leave no core dump, be the first to go where memory is short, and end only with the daemon: then the socket ends.

    A signal to all processes of the service, or of a terminal, is the daemon's to act on.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    calls.set_of_process(_DUMPABLE, 0)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def after_the_key() -> bool:
    """Write no file any more, and read none but the program's own; return whether the kernel holds the second.

    Raises OSError where the kernel refuses to take rights away.
    """
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return restrict_to_reading(_program())


def _program() -> list[Path]:
    """Return where the interpreter and its modules are: some are imported only when they are needed."""
    places = [sys.prefix, sys.base_prefix, *(place for place in sys.path if place), *_LIBRARIES]
    return [Path(place) for place in dict.fromkeys(places) if place != "/"]
