"""Run `pinakad-provision`: `render FILE...` prints the netplan document of each node; it needs no node.

The output is one JSON object, host name -> document. Problems come on stderr, one a line.
Exit codes: 0 all are rendered, 1 a node cannot be (then nothing is printed), 2 wrong usage or configuration.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pinakad import __version__
from pinakad.config import Config, ConfigError, load
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.nodes import strict_json
from pinakad.nodes.node_file import NodeFile, read
from pinakad.nodes.reading import read_file
from pinakad.printable import cause_of
from pinakad.problems import Severity
from pinakad.provision.render import render

EXIT_PROBLEMS, EXIT_USAGE = 1, 2


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    text = "The shipped deployment program of pinakad. So far it renders: see pinakad-provision render --help"
    made = argparse.ArgumentParser(prog="pinakad-provision", description=text)
    made.add_argument("--config", type=Path, metavar="FILE", help="default: $PINAKAD_CONFIG, /etc/pinakad/pinakad.toml")
    made.add_argument("--version", action="version", version=f"pinakad-provision {__version__}")
    verbs = made.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    about = "Print the netplan document of each node, by its host name; no node is asked."
    rendering = verbs.add_parser("render", help=about, description=about)
    rendering.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a node file")
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
    documents: dict[str, Any] = {}
    problems: list[str] = []
    for path in chosen.files:
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
    node = None if wrong else _parsed(path.name, raw)
    if node is None:
        return "", None, wrong
    found = render(path.name, node, settings.provision, allow_loopback=settings.ssh.allow_loopback)
    return node.hostname, found.document, [problem.line() for problem in found.problems]


def _parsed(name: str, raw: bytes) -> NodeFile | None:
    return read(name, strict_json.parse(raw))[0]


def _said(lines: Sequence[str], code: int) -> int:
    for line in lines:
        sys.stderr.write(f"pinakad-provision: {line}\n")
    return code


if __name__ == "__main__":
    main()
