"""Can the SSH key and the host keys be used?"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.account import UNIT_FILE
from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.config import KEY_CREDENTIAL
from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.script.permissions import opened_key
from pinakad.ssh.prober import open_host_keys
from pinakad.state.store import Store

_CREDENTIAL = Path("/run/credentials/pinakad.service", KEY_CREDENTIAL)


def key(context: CheckContext) -> Iterator[Finding]:
    """Is the key there, may the daemon read it, can it be used, and is it nobody else's? Then the host keys."""
    path = context.settings.key_path
    place = quote(str(path))
    try:
        obstacle = context.account.obstacle(path, os.R_OK)
    except FileNotFoundError:
        text = f"cannot read the SSH key '{path}': no such file"
        owner = "" if _is_handed_over(context) else f" -o {context.account.name}"
        yield fails(text, f"install -D -m 0600{owner} KEY {place}, or set [ssh] key")
        return
    if obstacle is not None and _is_handed_over(context):
        yield from _handed_over(context, path)
    elif obstacle is not None:
        yield fails(f"cannot read the SSH key: {obstacle}", f"chown {context.account.name} {place}")
    else:
        yield from _content(path)
        yield from _mode(context, path)
    yield from _host_keys(context)


def _is_handed_over(context: CheckContext) -> bool:
    """Tell whether systemd shows the daemon a key that only root may read (LoadCredential=, systemd.exec(5))."""
    return context.by_systemd and UNIT_FILE.exists()


def _handed_over(context: CheckContext, path: Path) -> Iterator[Finding]:
    """Root's key: the daemon has what it was at its start."""
    yield from _content(path)
    with suppress(OSError):
        yield from _mode(context, path)
        if _CREDENTIAL.exists() and _CREDENTIAL.read_bytes() != path.read_bytes():
            text = f"the SSH key '{path}' is not what the daemon was given at its start"
            yield fails(text, "systemctl restart pinakad (what runs is gone on with)")


def _content(path: Path) -> Iterator[Finding]:
    if not os.access(path, os.R_OK):
        yield warning(f"the SSH key '{path}' cannot be looked at by us", "sudo pinakactl doctor")
        return
    try:
        load_key(path)
    except SshKeyError as error:
        passphrase = "passphrase" in str(error)
        remedy = f"ssh-keygen -p -N '' -f {quote(str(path))}" if passphrase else f"ssh-keygen -y -f {quote(str(path))}"
        yield fails(str(error), remedy)


def _mode(context: CheckContext, path: Path) -> Iterator[Finding]:
    opened = opened_key(path, context.account.uid, context.account.groups)
    if opened is not None:
        remedy = opened[1].removesuffix("it") + quote(str(path))
        yield warning(f"the SSH key '{path}' is open to others ({opened[0]})", remedy)


def _host_keys(context: CheckContext) -> Iterator[Finding]:
    ssh = context.settings.ssh
    try:
        open_host_keys(Store(context.state_dir).known_hosts, ssh)
    except SshKeyError as error:
        place = quote(str(ssh.known_hosts))
        yield fails(str(error), f"ssh-keyscan NODE... > {place}, and compare the keys; or set [ssh] host_keys")
