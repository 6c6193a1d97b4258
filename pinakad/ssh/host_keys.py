"""Is this the known host key of a node, and what does another one mean?"""

import base64
import logging
from collections.abc import Callable
from pathlib import Path

from pinakad.linux.files import write_whole
from pinakad.login.key_file import SshKeyError, read_regular
from pinakad.polling.vocabulary import HostKey, NodeReason
from pinakad.printable import cause_of
from pinakad.ssh.known_hosts import Answer, KnownHosts, KnownHostsError, parse_known_hosts

MAX_KNOWN_HOSTS_BYTES = 64 << 20
_STRICT: dict[Answer, HostKey | NodeReason] = {
    Answer.KNOWN: HostKey.SAME,
    Answer.OTHER: NodeReason.HOST_KEY_CHANGED,
    Answer.REVOKED: NodeReason.HOST_KEY_CHANGED,
    Answer.UNKNOWN: NodeReason.HOST_KEY_UNKNOWN,
}

log = logging.getLogger(__name__)


def name_for(address: str, port: int) -> str:
    """Return the name of an address in known_hosts (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    return address if port == 22 else f"[{address}]:{port}"  # noqa: PLR2004 - SSH's own port


class HostKeys:
    """Our own known_hosts, and the policy for keys that are not in it. A key is its type, and its blob in base64.

    `policy` is `[ssh] host_keys`. Raises SshKeyError where the operator's file, which `strict` needs, cannot be used.
    """

    def __init__(self, path: Path, policy: str, operators_file: Path | None) -> None:
        self._path = path
        self._policy = policy
        self._pinned = _read(path) if policy in ("replace", "accept-new") else {}
        self._trusted = KnownHosts()
        if policy == "strict" and operators_file is not None:
            self._trusted = _read_operators(operators_file)
        self._changed = False

    def check(self, name: str, key: tuple[str, str]) -> HostKey | NodeReason | None:
        """Return how the key compares, or the reason why the policy refuses it; None under the policy `off`.

        `name` is that of `name_for`. Nothing is pinned yet: first the login must succeed.
        """
        if self._policy == "off":
            return None
        if self._policy == "strict":
            return _STRICT[self._trusted.answer(name, (key[0], base64.b64decode(key[1])))]
        pinned = self._pinned.get(name)
        if pinned is None:
            return HostKey.NEW
        if pinned == key:
            return HostKey.SAME
        return HostKey.CHANGED if self._policy == "replace" else NodeReason.HOST_KEY_CHANGED

    def pin(self, name: str, key: tuple[str, str]) -> None:
        """Remember the key of a node after a successful login."""
        if self._policy in ("replace", "accept-new"):
            self._changed |= self._pinned.get(name) != key
            self._pinned[name] = key

    def preferred(self, name: str) -> list[str]:
        """Return the key types to request first: a known node must not be judged by a key of another type."""
        if self._policy == "strict":
            return [kind for kind, _ in self._trusted.keys_of(name)]
        pinned = self._pinned.get(name)
        return [pinned[0]] if pinned else []

    def save(self) -> None:
        """Write all pinned keys if one has changed since the last call. Raises OSError; the next call tries again."""
        write = self.write_of_changes()
        if write is not None:
            write()

    def write_of_changes(self) -> Callable[[], None] | None:
        """Return what writes all pinned keys, also in another thread, None where none has changed; see `save`."""
        if not self._changed:
            return None
        self._changed = False
        pinned = dict(self._pinned)

        def write() -> None:
            lines = [f"{name} {kind} {text}\n" for name, (kind, text) in sorted(pinned.items())]
            try:
                write_whole(self._path, "".join(lines).encode(), 0o644, durable=True)
            except OSError:
                self._changed = True
                raise

        return write


def _read_operators(path: Path) -> KnownHosts:
    try:
        hosts = parse_known_hosts(read_regular(path, MAX_KNOWN_HOSTS_BYTES))
    except OSError as error:
        raise SshKeyError(f"cannot read known_hosts '{path}': {cause_of(error)}") from None
    except (SshKeyError, KnownHostsError) as error:
        raise SshKeyError(f"cannot use known_hosts '{path}': {error}") from None
    if hosts.authorities:
        text = "known_hosts '%s': %d lines with @cert-authority say nothing here, host certificates are not supported"
        log.warning(text, path, hosts.authorities)
    return hosts


def _read(path: Path) -> dict[str, tuple[str, str]]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        log.warning("cannot read '%s': %s; every host key counts as new", path, error.strerror)
        return {}
    words = [line.split() for line in lines]
    broken = sum(1 for parts in words if len(parts) != 3)  # noqa: PLR2004 - name, type, key
    if broken:
        log.warning("cannot read %d lines of '%s': their nodes' host keys count as new", broken, path)
    return {parts[0]: (parts[1], parts[2]) for parts in words if len(parts) == 3}  # noqa: PLR2004 - the same
