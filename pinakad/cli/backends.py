"""Does something on this machine start the deployment script itself, so that it would run twice?"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pinakad.config import state_dir
from pinakad.supervisor import foreign_runs

_MAX_BYTES = 1 << 20
_UNITS = ("etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system")
_CRON = (
    "etc/crontab",
    "etc/cron.d",
    "etc/cron.hourly",
    "etc/cron.daily",
    "var/spool/cron",
    "etc/rc.local",
    "etc/init.d",
)
_OURS = "pinakad"
_PATH = re.compile(r"(?<![\w.-])/[\w./+@-]+")


def find_backends(root: Path, script: Path) -> Iterator[str]:
    """Tell each thing that starts `script` itself: a process, a unit or what it runs, a cron job.

    `root` is the machine's file system; only where it is this machine's own the processes are looked at.
    """
    if root == Path("/"):
        for running, _ in foreign_runs(str(script), str(state_dir() / "deployments")):
            yield f"process {running} runs '{script}' right now"
    for place in _job_files(root):
        text = _read(place)
        if _names(text, script):
            yield f"'{place}' names '{script.name}'"
            continue
        for program in _programs(root, text):
            if _names(_read(program), script):
                yield f"'{place}' runs '{program}', which names '{script.name}'"


def _job_files(root: Path) -> Iterator[Path]:
    """List the unit files and cron jobs that are not ours."""
    for base in (root / folder for folder in (*_UNITS, *_CRON)):
        for place in sorted(base.rglob("*")) if base.is_dir() else [base]:
            if not any(part.startswith(_OURS) for part in place.relative_to(base).parts):
                yield place


def _programs(root: Path, text: str) -> Iterator[Path]:
    """List the files that the commands of a unit or a cron job name: programs, and what interpreters run."""
    for line in text.splitlines():
        if not line.lstrip().startswith(("#", ";")):
            yield from (root / match[0].lstrip("/") for match in _PATH.finditer(line))


def _read(path: Path) -> str:
    """Read a small regular file; "" for anything else."""
    with suppress(OSError):
        if path.is_file() and path.stat().st_size <= _MAX_BYTES:
            return path.read_bytes().decode(errors="replace")
    return ""


def _names(text: str, script: Path) -> bool:
    pattern = rf"(?<![\w.-]){re.escape(script.name)}(?![\w-])"
    return any(re.search(pattern, line) for line in text.splitlines() if not line.lstrip().startswith("#"))
