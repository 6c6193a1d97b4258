"""What does pinakad cost, beside what else there is? Prints one table.

    python tests/bench/run.py [NAME...] [--quick] [--plot FILE.png]

Needs root, sshd, nft, iproute2 and a limit of open files past 11,000; all traffic stays on loopback. The comparison
with Ansible is left out unless it is there: python3 -m venv /tmp/bench-venv; /tmp/bench-venv/bin/pip install
ansible-core. For --plot: pip install matplotlib.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))

from dead import hanging, many, refused
from folder import node_files, publishing
from logins import logins, mixed, others
from nodes import write_keys
from resting import idle, request_to_script
from scene import CheckContext
from table import Row, as_markdown, machine
from web import web
from whole import daemon, daemon_of_many

TOPICS: dict[str, Callable[[CheckContext], list[Row]]] = {
    "refused": refused,
    "hanging": hanging,
    "logins": logins,
    "mixed": mixed,
    "files": node_files,
    "publishing": publishing,
    "daemon": daemon,
    "many": lambda scene: many(scene) + daemon_of_many(scene),
    "idle": idle,
    "request": request_to_script,
    "others": others,
    "web": web,
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TOPICS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a tenth of the nodes, each pair once")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw cost against the number of nodes")
    options = parser.parse_args()
    unknown = set(options.names) - set(TOPICS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(TOPICS)}")
    print(f"Measured on {machine()}.\n")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="pinakad-bench-") as folder:
        Path(folder).chmod(0o755)
        scene = CheckContext(Path(folder), write_keys(Path(folder)), options.quick)
        for name in options.names or ([] if options.plot else TOPICS):
            sys.stderr.write(f"{name} ...\n")
            found = TOPICS[name](scene)
            sys.stderr.write("\n".join(as_markdown(found).splitlines()[2:]) + "\n")
            rows += found
        if options.plot:
            from plot import draw  # noqa: PLC0415 - matplotlib is needed for nothing else

            draw(scene, options.plot)
    if rows:
        print(as_markdown(rows))


if __name__ == "__main__":
    main()
