"""How does what lies on a node differ from what would lie there?"""

import base64
import binascii
import difflib
from collections.abc import Mapping

from pinakad.printable import printable

MOST_LINES = 1000

COMMAND = (
    "cd / && find {paths} -type f -size -1024k -exec printf '%s ' {{}} \\; -exec base64 -w0 {{}} \\; "
    "-exec printf '\\n' \\; 2>/dev/null; true"
)
"""Run by /bin/sh as root: prints a line for each file below the paths, its name and its content in base64."""


def present_in(text: str) -> dict[str, str]:
    """Return the files that COMMAND has printed: path -> content. What a node prints besides is left out."""
    found = {}
    for line in text.splitlines():
        path, _, content = line.rpartition(" ")
        try:
            found[path] = base64.b64decode(content, validate=True).decode(errors="replace")
        except binascii.Error:
            continue
    return {path: content for path, content in found.items() if path}


def differences(present: Mapping[str, str], wanted: Mapping[str, str]) -> list[str]:
    """Return the lines of a unified diff, safe for a terminal; MOST_LINES at most."""
    lines: list[str] = []
    for path in sorted({*present, *wanted}):
        old, new = present.get(path, "").splitlines(), wanted.get(path, "").splitlines()
        names = (f"/{path}" if path in present else "/dev/null", f"/{path}" if path in wanted else "/dev/null")
        lines += difflib.unified_diff(old, new, *names, lineterm="", n=2)
    return [printable(line, 500) for line in lines[:MOST_LINES]]
