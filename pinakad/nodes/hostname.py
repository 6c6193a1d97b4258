"""Is a text a host name?"""

import re

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MAX_HOSTNAME = 253


def is_hostname(text: str) -> bool:
    """Return whether `text` is a host name (RFC 1123, section 2.1), fully qualified or not."""
    return len(text) <= _MAX_HOSTNAME and all(_LABEL.fullmatch(label) for label in text.split("."))
