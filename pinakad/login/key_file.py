"""Reads a key file, or the operator's known_hosts: once, as a regular file of bounded size."""

import os
import stat
from pathlib import Path

MAX_KEY_BYTES = 1 << 16
CERTIFICATE = "-cert.pub"
"""What ssh-keygen(1) adds to the name of a key for that of its certificate."""


class SshKeyError(Exception):
    """The private key or the operator's known_hosts cannot be used; the message says why."""


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file, links followed; a pipe is not waited for.

    Raises OSError, and SshKeyError where it is not a regular file or larger than `max_bytes`.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SshKeyError("not a regular file")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise SshKeyError(f"larger than {max_bytes} bytes")
    return data
