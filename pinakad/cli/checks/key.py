"""Can the SSH key and the host keys be used?"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.scene import Finding, Scene, fails, warning
from pinakad.ssh import SshKeyError, load_key, open_host_keys
from pinakad.store import Store


def key(scene: Scene) -> Iterator[Finding]:
    """Is the key there, may the daemon read it, can it be used, and is it nobody else's? Then the host keys."""
    path = scene.settings.key_path
    place = quote(str(path))
    try:
        obstacle = scene.account.obstacle(path, os.R_OK)
    except FileNotFoundError:
        text = f"cannot read the SSH key '{path}': no such file"
        yield fails(text, f"install -D -m 0600 -o {scene.account.name} KEY {place}, or set [ssh] key")
        return
    if obstacle is not None:
        yield fails(f"cannot read the SSH key: {obstacle}", f"chown {scene.account.name} {place}")
    else:
        yield from _content(path)
        yield from _mode(path)
    yield from _host_keys(scene)


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


def _mode(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        yield warning(f"the SSH key '{path}' is open to others (mode {mode:04o})", f"chmod 600 {quote(str(path))}")


def _host_keys(scene: Scene) -> Iterator[Finding]:
    ssh = scene.settings.ssh
    try:
        open_host_keys(Store(scene.state_dir).known_hosts, ssh)
    except SshKeyError as error:
        place = quote(str(ssh.known_hosts))
        yield fails(str(error), f"ssh-keyscan NODE... > {place}, and compare the keys; or set [ssh] host_keys")
