"""The supervisor's program: one text of several modules, as they were when this daemon started.

An upgrade must not change what a running daemon starts, nor pull it away. So the modules are read once, joined without
the imports of each other, and compiled: that would take a third of a supervisor's start-up.
"""

import importlib.util
import marshal
import re
from functools import cache
from pathlib import Path

from pinakad.script import output, records, running_scripts, supervisor

_PARTS = (running_scripts, records, output, supervisor)
"""In the order of their imports: what a part needs is above it."""
_OUR_IMPORT = re.compile(r"^from (?:__future__|pinakad\.[\w.]+) import (?:\([^)]*\)|[^\n(]+)$", re.MULTILINE)


@cache
def program_text() -> bytes:
    """Return the program as Python source, in UTF-8."""
    texts = (Path(part.__file__ or "").read_text(encoding="utf-8") for part in _PARTS)
    return "\n".join(["from __future__ import annotations", *(_OUR_IMPORT.sub("", text) for text in texts)]).encode()


@cache
def program_compiled() -> bytes:
    """Return the program as a .pyc (PEP 552): magic number, flags, and no source that it is compared with."""
    code = compile(program_text(), "supervisor.py", "exec", dont_inherit=True, optimize=2)
    return importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
