"""Which file operations does a log of strace(1) tell of, in the order in which they were done?"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import which

STRACE = which("strace")
CALLS = (
    *("open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"),
    *("truncate", "ftruncate", "fallocate", "fsync", "fdatasync", "syncfs", "mkdir", "mkdirat", "mknod", "mknodat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir"),
    "execve",
)
_LINE = re.compile(r"(\d+) +(\d+)\.(\d{9}) (.*)", re.DOTALL)
_RESUMED = re.compile(r"<\.\.\. (\w+) resumed>(.*)", re.DOTALL)
_WHOLE = re.compile(r"(\w+)\((.*)\) += (-?\d+|\?)(?:<.*>)?(?: .*)?", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|<[^>]*>|[\[{(]|[\]})]|,|[^"<\[{(\]}),]+', re.DOTALL)
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that succeeded: when it began and when it was seen to end (nanoseconds since 1970), and its arguments."""

    begun_ns: int
    ended_ns: int
    name: str
    arguments: tuple[str, ...]

    def text(self, index: int) -> bytes:
        """Return an argument that is a string."""
        raw = self.arguments[index]
        if not raw.endswith('"'):
            raise ValueError(f"strace has cut a string of {self.name}")
        return codecs.escape_decode(raw[1:-1].encode("latin-1"))[0]  # type: ignore[attr-defined,no-any-return]

    def open_path(self, index: int) -> Path:
        """Return the path of an argument that is a descriptor."""
        return Path(self.arguments[index].partition("<")[2][:-1])

    def path(self, index: int, folder: int | None = None) -> Path:
        """Return the path of an argument that is a name, as it counts from the descriptor in the argument `folder`."""
        name = Path(self.text(index).decode())
        return name if folder is None else self.open_path(folder) / name


def command(log: Path, *tampering: str) -> list[str]:
    """Return what goes before a command so that it and its children are logged. Their parent stays who it was.

    `tampering`: what is done to some calls, as strace(1) has it, e.g. "inject=fsync:delay_enter=1000".
    """
    assert STRACE is not None
    how = ("-D", "-f", "-qq", "-y", "-s", str(1 << 24), "--absolute-timestamps=format:unix,precision:ns")
    how += tuple(word for what in tampering for word in ("-e", what))
    return [STRACE, *how, "-e", "signal=none", "-e", "trace=" + ",".join(f"?{name}" for name in CALLS), "-o", str(log)]


def calls_of(log: Path) -> list[Call]:
    """Return the calls that succeeded, in the order of their ends."""
    return sorted(_calls(log), key=lambda call: call.ended_ns)


def _calls(log: Path) -> Iterator[Call]:
    begun: dict[str, tuple[int, str]] = {}
    for line in log.read_text(encoding="latin-1").split("\n"):
        found = _LINE.fullmatch(line)
        if found is None:
            continue
        pid, text, now_ns = found[1], found[4], int(found[2] + found[3])
        begun_ns = now_ns
        if text.endswith(_UNFINISHED):
            begun[pid] = (now_ns, text.removesuffix(_UNFINISHED))
            continue
        if resumed := _RESUMED.fullmatch(text):
            begun_ns, head = begun.pop(pid)
            text = head + resumed[2]
        whole = _WHOLE.fullmatch(text)
        if whole is not None and whole[3] not in ("?", "-1"):
            yield Call(begun_ns, now_ns, whole[1], tuple(_split(whole[2])))


def _split(text: str) -> Iterator[str]:
    depth, argument = 0, ""
    for token in _TOKEN.findall(text):
        if token == "," and depth == 0:
            yield argument.strip()
            argument = ""
            continue
        depth += (token in "[{(") - (token in "]})")
        argument += token
    yield argument.strip()
