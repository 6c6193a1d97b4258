"""Takes rights away from this process for good, which needs no right of its own (landlock(7)).

An old kernel takes what it knows of these; none at all is no error, as the unit's sandbox is there, too.
"""

import errno
import os
import struct
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pinakad.linux import calls

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files a version of landlock knows: since 2 linking and renaming, since 3 truncating."""
_NET_SINCE, _NET_RIGHTS = 4, 0b11  # TCP: bind, connect
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract Unix sockets, signals
_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS (prctl(2))


def restrict_to_reading(folders: Iterable[Path]) -> bool:
    """Let this process and its threads read below `folders`, and neither read nor change anything else on any disk.

    Where the kernel can, it also makes no TCP connection any more and sends no signal to others. Return whether the
    kernel restricts files at all. Raises OSError where it does, and refuses this, or a filter of system calls does.
    """
    calls.set_of_process(_NO_NEW_PRIVS, 1)
    try:
        version = calls.system_call(_CREATE_RULESET, None, 0, _VERSION)
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return False
        raise
    ruleset = calls.system_call(_CREATE_RULESET, *_handled(version), 0)
    try:
        for folder in folders:
            with suppress(FileNotFoundError, NotADirectoryError):
                _allow_reading(ruleset, folder)
        calls.system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return True


def _handled(version: int) -> tuple[bytes, int]:
    """Return the rights that are taken away (struct landlock_ruleset_attr), and the size of that."""
    files = (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1
    numbers = [files]
    if version >= _NET_SINCE:
        numbers.append(_NET_RIGHTS)
    if version >= _SCOPES_SINCE:
        numbers.append(_SCOPES)
    data = struct.pack(f"={len(numbers)}Q", *numbers)
    return data, len(data)


def _allow_reading(ruleset: int, folder: Path) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        rule = struct.pack("=Qi", _READ_FILE | _READ_DIR, descriptor)  # struct landlock_path_beneath_attr
        calls.system_call(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    finally:
        os.close(descriptor)
