"""Does something on this machine start the deployment script itself, so that it would run twice?"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pinakad.config import state_dir
from pinakad.linux.walk import resolved_in
from pinakad.script.running_scripts import foreign_runs

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
_FOLDER = re.compile(
    r"""(?:^\s*WorkingDirectory\s*=\s*[-~!]*|--chdir[ =]|--directory[ =]|\b(?:cd|pushd)\s+)["']?(/[\w./+@-]+)"""
)
_RELATIVE = re.compile(r"(?<![\w/.-])(?:\./)?([\w-][\w./-]*\.sh)\b")
_SUFFIXES = frozenset((".py", ".sh", ".js", ".mjs", ".ts", ".rb", ".pl", ".php", ".lua", ".tcl"))
_LIBRARIES = frozenset(("venv", "env", "node_modules", "site-packages", "dist-packages", "__pycache__", "vendor"))
_MAX_DEPTH, _MAX_LEVELS, _MAX_FILES = 2, 3, 2000


def find_backends(root: Path, script: Path) -> Iterator[str]:
    """Return a line for each thing that starts `script` itself: a process, a unit or what it runs, a cron job.

    `root` is the machine's file system; only where it is this machine's own processes are checked.
    """
    if root == Path("/"):
        for running, _ in foreign_runs(str(script), str(state_dir() / "deployments")):
            yield f"process {running} runs '{script}' right now"
    for place in _job_files(root):
        text = _read(root, place)
        if _names(text, script):
            yield f"'{place}' names '{script.name}'"
            continue
        for program in _run_by(root, text, script):
            yield f"'{place}' runs '{program}', which names '{script.name}'"


def _run_by(root: Path, text: str, script: Path, depth: int = _MAX_DEPTH) -> list[Path]:
    """Return the files that name the script among those that a text has run: by their path, or in a folder it goes to.

    What a start script runs counts as well.
    """
    programs, own = list(dict.fromkeys(_programs(root, text))), root / script.relative_to("/")
    programs = [path for path in programs if path not in (own, own.parent)]
    found = [path for path in programs if _names(_read(root, path), script)]
    for folder in _folders(root, text):
        found += [path for path in _sources(root, folder) if path != own and _names(_read(root, path), script)]
    if not found and depth:
        starters = [path for path in programs if _read(root, path).startswith("#!") or path.suffix == ".sh"]
        starters += [folder / name for folder in _folders(root, text) for name in _RELATIVE.findall(text)]
        for path in starters:
            found += _run_by(root, _read(root, path), script, depth - 1)
    return list(dict.fromkeys(found))


def _folders(root: Path, text: str) -> list[Path]:
    """Return where a unit or a start script goes before it runs something: the code is there."""
    named = [root / match[1].lstrip("/") for line in _lines(text) for match in _FOLDER.finditer(line)]
    return [path for path in dict.fromkeys(named) if path != root and _in(root, path).is_dir()]


def _sources(root: Path, folder: Path) -> Iterator[Path]:
    """List the programs in a folder and a few levels below it; no more than a back end has, and no libraries."""
    left = _MAX_FILES
    folder = _in(root, folder)
    for place, folders, names in os.walk(folder):
        depth = len(Path(place).relative_to(folder).parts)
        keep = [name for name in folders if name not in _LIBRARIES and not name.startswith(".")]
        folders[:] = sorted(keep) if depth < _MAX_LEVELS else []
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix in _SUFFIXES or (not path.suffix and os.access(path, os.X_OK)):
                left -= 1
                yield path
            if left <= 0:
                return


def _job_files(root: Path) -> Iterator[Path]:
    """List the unit files and cron jobs that are not ours."""
    for base in (root / folder for folder in (*_UNITS, *_CRON)):
        there = _in(root, base)
        for place in sorted(there.rglob("*")) if there.is_dir() else [there]:
            below = place.relative_to(there)
            if not any(part.startswith(_OURS) for part in below.parts):
                yield base / below


def _programs(root: Path, text: str) -> Iterator[Path]:
    """List the files that the commands of a unit or a cron job name: programs, and what interpreters run."""
    for line in _lines(text):
        yield from (root / match[0].lstrip("/") for match in _PATH.finditer(line))


def _lines(text: str) -> list[str]:
    """Return the lines that are no comments."""
    return [line for line in text.splitlines() if not line.lstrip().startswith(("#", ";"))]


def _in(root: Path, path: Path) -> Path:
    """Return where a path leads on the machine whose file system is `root`; one in a circle of links stays as it is."""
    with suppress(OSError):
        return resolved_in(root, path.relative_to(root))
    return path


def _read(root: Path, path: Path) -> str:
    """Read a small regular file; "" for anything else."""
    with suppress(OSError):
        found = resolved_in(root, path.relative_to(root))
        if found.is_file() and found.stat().st_size <= _MAX_BYTES:
            return found.read_bytes().decode(errors="replace")
    return ""


def _names(text: str, script: Path) -> bool:
    pattern = rf"(?<![\w.-]){re.escape(script.name)}(?![\w-])"
    return any(re.search(pattern, line) for line in text.splitlines() if not line.lstrip().startswith("#"))
