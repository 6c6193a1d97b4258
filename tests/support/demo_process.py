"""A demo that is run up to a certain line, and gone afterwards whatever a test finds."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def demo_until(
    words: Sequence[str], environment: Mapping[str, str], folder: Path, text: str
) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Give the process once it has said a text, and all that it has said so far."""
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, cwd=folder, text=True, process_group=0
    ) as process:
        try:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if text in line:
                    break
            assert text in said, said
            yield process, said
        finally:
            process.kill()
