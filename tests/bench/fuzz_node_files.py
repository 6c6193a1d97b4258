"""Can the node file reader be made to raise anything, whatever the bytes? A coverage-guided search with atheris.

    python -m venv fuzz && fuzz/bin/pip install -e . atheris
    fuzz/bin/python tests/bench/fuzz_node_files.py [-max_total_time=300] [libFuzzer's other options] [CORPUS_FOLDER]

atheris is no part of the test extra: it has wheels for few versions of Python only. It begins with the sound files of
tests/data. Prints the number of inputs tried; an input that raises is written to the current folder, and told.
"""

import atexit
import sys
import tempfile
from pathlib import Path

import atheris
from paths import DATA

with atheris.instrument_imports(include=["pinakad"]):
    from pinakad.markers.request import parse_request
    from pinakad.nodes.reading import read_file
    from pinakad.nodes.selection import select_nodes

tried = 0
sound = 0


def one_input(data: bytes) -> None:
    """Read the bytes as two node files and as a request; everything that is wrong must come as a problem."""
    global tried, sound  # noqa: PLW0603 - two counters, told at the end
    tried += 1
    first, _, second = data.partition(b"\0")
    files = [read_file(f"node_0{n}.json", raw, allow_loopback=bool(n % 2)) for n, raw in enumerate((first, second), 1)]
    for file in files:
        for problem in file.problems:
            assert problem.line().isprintable()
    found = select_nodes(files[: 1 + bool(second)])
    assert found.nodes or not found.ok
    sound += found.ok
    document, problems = parse_request(first)
    assert (document is None) == bool(problems)


def main() -> None:
    """Search until the time is over."""
    corpus = Path(tempfile.mkdtemp(prefix="node-files-"))
    for path in DATA.glob("*.json"):
        (corpus / path.name).write_bytes(path.read_bytes())
    atexit.register(lambda: print(f"{tried} inputs tried, {sound} of them sound node files"))
    atheris.Setup([*sys.argv, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
