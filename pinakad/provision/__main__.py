"""Run `pinakad-provision`: configure the nodes of a folder, or print what their configuration would be.

pinakad-provision NODES_DIR [--only NODE] [--dry-run]
                                            what a deployment script runs, with $PINAKAD_NODES_DIR
pinakad-provision render FILE...            one JSON object, host name -> netplan document; no node is asked

Exit codes: 0 every node is unchanged or was told to reboot, or all are rendered; 1 not so; 2 wrong usage or
configuration. One line of JSON for each step on stdout, people's words on stderr.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pinakad import __version__
from pinakad.config import Config, ConfigError, load, readable_key, state_dir
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.nodes import strict_json
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.node_file import NodeFile, read
from pinakad.nodes.reading import read_file
from pinakad.nodes.selection import select_nodes
from pinakad.printable import cause_of
from pinakad.problems import Severity
from pinakad.provision.controller import provision, why_not
from pinakad.provision.render import render
from pinakad.provision.run_node import Site, Target
from pinakad.ssh.host_keys import HostKeys
from pinakad.state.store import Store

EXIT_PROBLEMS, EXIT_USAGE = 1, 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    text = "The shipped deployment program of pinakad: configures nodes from their files, and reboots them in waves."
    made = argparse.ArgumentParser(prog="pinakad-provision", description=text)
    made.add_argument("--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml")
    made.add_argument("--only", metavar="NODE", help="this node alone, by its host name")
    made.add_argument(
        "--dry-run", action="store_true", help="show for each node what would be different, and do nothing"
    )
    made.add_argument("--version", action="version", version=f"pinakad-provision {__version__}")
    made.add_argument("what", metavar="NODES_DIR|render", help="the folder of the node files, or the word render")
    made.add_argument("files", type=Path, nargs="*", metavar="FILE", help="with render: node files")
    return made


def main() -> None:
    """Run the program and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run the program and return its exit code."""
    chosen = parser().parse_args(words)
    try:
        settings = load(chosen.config)
    except ConfigError as error:
        return _said(str(error).splitlines(), EXIT_USAGE)
    if chosen.what == "render":
        return _render(chosen.files, settings)
    return _provision(Path(chosen.what), chosen.only, settings, dry_run=chosen.dry_run)


def _provision(folder: Path, only: str | None, settings: Config, *, dry_run: bool) -> int:
    reason = "" if dry_run else why_not(settings)
    if reason:
        return _said([reason], EXIT_USAGE)
    try:
        files = NodesFolder(folder).scan(allow_loopback=settings.ssh.allow_loopback)
        site = _site(settings, hosts={})
    except (OSError, SshKeyError) as error:
        return _said([cause_of(error) if isinstance(error, OSError) else str(error)], EXIT_USAGE)
    found = select_nodes(files, ssh_port=settings.ssh.port)
    if not found.ok:
        return _said([problem.line() for problem in found.problems], EXIT_PROBLEMS)
    all_targets = [Target(node.file, _parsed(node.file, found.files[node.file]), node.address) for node in found.nodes]
    targets = [target for target in all_targets if only in (None, target.node.hostname)]
    if not targets:
        return _said(
            [f"there is no node '{only}' in '{folder}'" if only else f"there is no node in '{folder}'"], EXIT_USAGE
        )
    hosts = {target.address: target.node.hostname for target in all_targets}
    return 0 if provision(replace(site, hosts=hosts, dry_run=dry_run), targets) else EXIT_PROBLEMS


def _site(settings: Config, hosts: dict[str, str]) -> Site:
    """Return what all nodes share. Raises SshKeyError and OSError."""
    host_keys = HostKeys(Store(state_dir()).known_hosts, settings.ssh.host_keys, settings.ssh.known_hosts)
    return Site(settings, load_key(readable_key(settings)), host_keys, hosts, f"trial-{int(time.time())}")


def _render(paths: Sequence[Path], settings: Config) -> int:
    documents: dict[str, Any] = {}
    problems: list[str] = [] if paths else ["render needs a FILE"]
    for path in paths:
        hostname, document, found = _rendered(path, settings)
        problems += found
        if hostname in documents:
            problems.append(f"{path}: '{hostname}' is the host name of another file, too")
        documents[hostname] = document
    if problems:
        return _said(problems, EXIT_PROBLEMS)
    json.dump(documents, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 0


def _rendered(path: Path, settings: Config) -> tuple[str, dict[str, Any] | None, list[str]]:
    """Return a node's host name, its document, and its problems, one a line."""
    try:
        raw = read_regular(path.resolve(), strict_json.MAX_BYTES)
    except (OSError, NotRegularError) as error:
        cause = cause_of(error) if isinstance(error, OSError) else "it is no regular file"
        return "", None, [f"cannot read '{path}': {cause}"]
    checked = read_file(path.name, raw, allow_loopback=settings.ssh.allow_loopback)
    wrong = [problem.line() for problem in checked.problems if problem.severity is Severity.ERROR]
    if wrong:
        return "", None, wrong
    node = _parsed(path.name, raw)
    found = render(path.name, node, settings.provision, allow_loopback=settings.ssh.allow_loopback)
    return node.hostname, found.document, [problem.line() for problem in found.problems]


def _parsed(name: str, raw: bytes) -> NodeFile:
    """Return the node of a file that was checked before."""
    node, _ = read(name, strict_json.parse(raw))
    assert node is not None  # noqa: S101 - a file without a node has problems
    return node


def _said(lines: Sequence[str], code: int) -> int:
    for line in lines:
        sys.stderr.write(f"pinakad-provision: {line}\n")
    return code


if __name__ == "__main__":
    main()
