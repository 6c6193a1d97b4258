"""What belongs onto a machine so that systemd runs pinakad: which file where, with which text?"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pinakad.config import KEY_CREDENTIAL, Config

_SHIPPED_PREFIX = "/opt/pinakad"
"""Where the shipped units expect the virtual environment."""
_HOME = Path("/home/pinakasupport")
HIDDEN = tuple(map(Path, ("/home", "/root", "/run/user", "/tmp", "/var/tmp")))  # noqa: S108 - named, not used
"""What the daemon's sandbox does not show."""
UNIT_SAFE = re.compile(r"[\w./@+-]+")
"""Paths that need no quoting in a unit and in tmpfiles.d."""

UNITS = Path("etc/systemd/system")
PATHS_DROP_IN = UNITS / "pinakad.service.d/10-paths.conf"
MANUALS = Path("usr/local/share/man")
TMPFILES = Path("etc/tmpfiles.d/pinakad.conf")
PROGRAM_LINK = Path("usr/local/bin/pinakactl")
_PLACES = {
    UNITS / "pinakad.service": "pinakad.service",
    UNITS / "pinakad-script@.service": "pinakad-script@.service",
    UNITS / "pinakad-launch.socket": "pinakad-launch.socket",
    UNITS / "pinakad-launch@.service": "pinakad-launch@.service",
    Path("etc/sysusers.d/pinakad.conf"): "pinakad.sysusers",
    Path("usr/local/lib/systemd/catalog/pinakad.catalog"): "pinakad.catalog",
    Path("etc/pinakad/pinakad.toml.example"): "pinakad.toml",
    MANUALS / "man8/pinakad.8": "man/pinakad.8",
    MANUALS / "man1/pinakactl.1": "man/pinakactl.1",
    MANUALS / "man5/pinakad.toml.5": "man/pinakad.toml.5",
}
WEB_SOCKET = UNITS / "pinakad-web.socket"
WEB_DROP_IN = UNITS / "pinakad-web.service.d/10-paths.conf"
_WEB_PLACES = {
    WEB_SOCKET: "pinakad-web.socket",
    UNITS / "pinakad-web.service": "pinakad-web.service",
    Path("etc/sysusers.d/pinakad-web.conf"): "pinakad-web.sysusers",
    Path("etc/pinakad/pinakad-web.nginx.example"): "pinakad-web.nginx",
    MANUALS / "man8/pinakad-web.8": "man/pinakad-web.8",
}
"""What `--web` adds."""
_FORMER_PLACES = (
    Path("etc/polkit-1/rules.d/50-pinakad.rules"),
    UNITS / "pinakad.service.d/credential.conf.example",
)
"""What earlier versions brought: a setup takes it away."""


def shipped(name: str) -> str:
    """Return the text of a file of systemd/: from the installed package, or from the checkout."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "systemd", package.parent / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileNotFoundError(2, "not part of this installation", name)


def seen_on(root: Path, path: Path) -> Path:
    """Return a path of ours as the machine whose file system is `root` sees it."""
    return Path("/") / path.relative_to(root) if path.is_relative_to(root) else path


def wanted_files(settings: Config, root: Path, owner: str, *, web: bool) -> dict[Path, str]:
    """Return the files of an installation, relative to `root`, with their texts. `owner` owns the work_dir.

    `web`: those of the front door, too.
    """
    prefix = str(seen_on(root, Path(sys.prefix)))
    places = _PLACES | (_WEB_PLACES if web else {})
    files = {place: shipped(name).replace(_SHIPPED_PREFIX + "/", prefix + "/") for place, name in places.items()}
    files[TMPFILES] = tmpfiles_text(settings, owner)
    drop_ins = {PATHS_DROP_IN: paths_drop_in(settings), WEB_DROP_IN: web_drop_in(settings) if web else ""}
    return files | {place: text for place, text in drop_ins.items() if text}


def known_places() -> list[Path]:
    """Return every place that any installation has or had, relative to the root."""
    return [*_PLACES, TMPFILES, PATHS_DROP_IN, *_WEB_PLACES, WEB_DROP_IN, *_FORMER_PLACES]


class _Folder(NamedTuple):
    path: Path
    mode: str
    user: str
    group: str


def folders(settings: Config, owner: str = "root") -> Iterator[tuple[Path, str, str, str]]:
    """List the folders of an installation with mode, user and group. `owner`: of those on the way to the script."""
    service = "pinakasupport"
    work_dir, nodes, markers = settings.paths.work_dir, settings.nodes_dir, settings.markers_dir
    if work_dir.is_relative_to(_HOME):
        yield _Folder(_HOME, ":0755", owner, owner)
    yield _Folder(work_dir, ":0755", owner, owner)
    yield _Folder(settings.script_path.parent, ":0755", owner, owner)
    if settings.key_path.is_relative_to(work_dir):
        yield _Folder(settings.key_path.parent, ":0750", owner, service)
    if nodes.parent != work_dir:
        yield _Folder(nodes.parent, ":0755", owner, owner)
    yield _Folder(nodes, ":2775", service, service)
    if markers.parent != work_dir:
        yield _Folder(markers.parent, ":2775", service, service)
    yield _Folder(markers, ":2775", service, service)


def tmpfiles_text(settings: Config, owner: str = "root") -> str:
    """Return the tmpfiles.d(5) configuration that makes the folders."""
    head = shipped("pinakad.tmpfiles").partition("\nd ")[0]
    lines = [f"d {path} {mode} :{user} :{group}" for path, mode, user, group in folders(settings, owner)]
    return "\n".join((head, *lines)) + "\n"


def paths_drop_in(settings: Config) -> str:
    """Return the drop-in that lets the sandbox reach other paths than the shipped unit's; "" where they are those."""
    shown = [settings.paths.work_dir]
    others = [settings.nodes_dir, settings.script_path, settings.key_path, settings.ssh.known_hosts]
    for path in filter(None, others):
        hidden = any(path.is_relative_to(folder) for folder in HIDDEN)
        if hidden and not any(path.is_relative_to(other) for other in shown):
            shown.append(path)
    writable = [settings.markers_dir.parent]
    if settings.metrics.textfile is not None:
        writable.append(settings.metrics.textfile.parent)
    default = Config()
    key = settings.key_path
    from_unit = key == default.key_path or key.is_relative_to("/run/credentials")  # the latter is systemd's own copy
    credential = [] if from_unit else [f"LoadCredential={KEY_CREDENTIAL}:{key}"]
    if shown == [default.paths.work_dir] and writable == [default.markers_dir.parent] and not credential:
        return ""
    lines = ["# By `pinakactl setup`, from the paths in the configuration.", "[Service]"]
    lines.append("BindPaths=")  # empties both lists
    lines += [f"BindReadOnlyPaths=-{path}" for path in shown]
    lines += [f"BindPaths=-{path}" for path in writable]
    lines += [f"NoExecPaths=-{path}" for path in writable]
    lines += credential
    return "\n".join(lines) + "\n"


def web_drop_in(settings: Config) -> str:
    """Return the drop-in that lets the front door's sandbox reach other paths than the shipped unit's; "" for those."""
    default = Config()
    places = [settings.nodes_dir.parent, settings.markers_dir.parent]
    if places == [default.nodes_dir.parent, default.markers_dir.parent]:
        return ""
    lines = ["# By `pinakactl setup`, from the paths in the configuration.", "[Service]", "BindPaths="]
    return "\n".join([*lines, *(f"BindPaths=-{path}" for path in dict.fromkeys(places))]) + "\n"
