"""Finds boot id, uptime and host name in the output of a node, whatever else the node prints around them.

Each fact is enclosed by a begin mark and an end mark. The marks contain a token of the attempt and are assembled on the
node, so that neither a log of an earlier attempt nor an echo of the command is taken for an answer.
"""

import re
from collections.abc import Sequence

from pinakad.nodes.hostname import is_hostname

MAX_FACT_BYTES = 300
_COMMAND = (
    '/bin/sh -c \'say() {{ printf "pinakad-%s=%s=%s-pinakad\\n" {token} "$1" {token}; }}; '
    'say "$(cat /proc/sys/kernel/random/boot_id)"; say "$(cat /proc/uptime)"; say "$(uname -n)"\''
)
"""Boot id (random(4)), uptime (proc(5)) and host name (uname(1))."""
_ASKED = re.compile(r"/bin/sh -c 'say\(\) .*-pinakad\\n\" (?P<token>[0-9a-f]+) ")


def facts_command(token: str) -> str:
    """Return the shell command that prints the facts; `token` is hexadecimal, and new in each attempt."""
    return _COMMAND.format(token=token)


def facts_output(command: str, facts: Sequence[str]) -> str | None:
    """Return the output of `command` on a node with these facts, None where it is not a command of `facts_command`."""
    asked = _ASKED.match(command)
    return (
        None
        if asked is None
        else "".join(f"pinakad-{asked['token']}={fact}={asked['token']}-pinakad\n" for fact in facts)
    )


class MarkedFacts:
    """Finds the facts in an output of any length, given in pieces; it keeps no more bytes than it needs."""

    def __init__(self, token: str) -> None:
        self._begins = f"pinakad-{token}=".encode()
        self._ends = f"={token}-pinakad".encode()
        self._rest = b""
        self._found: list[str] = []

    def feed(self, piece: bytes) -> None:
        """Read the next piece of the output."""
        self._rest += piece
        while (end := self._rest.find(self._ends)) >= 0:
            start = self._rest.rfind(self._begins, 0, end)
            if start >= 0:
                self._found.append(self._rest[start + len(self._begins) : end].decode("utf-8", "replace").strip())
            self._rest = self._rest[end + len(self._ends) :]
        self._rest = self._rest[-len(self._begins) - MAX_FACT_BYTES - len(self._ends) :]

    def values(self) -> tuple[str | None, float | None, str | None]:
        """Return boot id, uptime in seconds and host name; None for each that is missing.

        A node may print anything: a text that does not have the form of its fact counts as missing.
        """
        boot_id, uptime, hostname = ([*self._found, "", "", ""])[:3]
        return _boot_id(boot_id), _uptime_s(uptime), hostname if is_hostname(hostname) else None


def _boot_id(text: str) -> str | None:
    plain = text.lower().replace("-", "")
    is_uuid = len(plain) == 32 and len(text) == 36 and all(c in "0123456789abcdef" for c in plain)  # noqa: PLR2004
    return text.lower() if is_uuid else None


def _uptime_s(text: str) -> float | None:
    first = text.split(" ", maxsplit=1)[0]
    if not first.replace(".", "", 1).isdigit() or not first.isascii() or len(first) > 20:  # noqa: PLR2004
        return None
    return float(first)
