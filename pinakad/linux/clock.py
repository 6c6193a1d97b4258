"""The one clock of the daemon: seconds since the boot, and the id of that boot."""

import os
import time
from pathlib import Path

from pinakad.times import Instant, Moment


def boot_id() -> str:
    """Return the id of the host's boot (random(4)): a UUID in lower case. Raises OSError.

    The daemon's unit passes it in $PINAKAD_BOOT_ID: in a container, the /proc of the sandbox shows that of the outer
    host.
    """
    given = os.environ.get("PINAKAD_BOOT_ID", "")
    if given:  # systemd.unit(5), %b: 32 digits
        return "-".join((given[:8], given[8:12], given[12:16], given[16:20], given[20:]))
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def now() -> Instant:
    """Return the current time on the boot clock and on the wall clock."""
    return Instant(time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def here() -> Moment:
    """Return the current time with the boot id, valid across reboots. Raises OSError."""
    moment = now()
    return Moment(boot_id(), moment.boot_s, moment.wall_s)
