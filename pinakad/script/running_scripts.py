"""Who runs a script? Read from /proc, by the daemon and, right before the launch, by the script's supervisor.

A part of the supervisor's program (bundle.py): the standard library only, and little of it.
"""

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_NOBODY = 65534  # in a user namespace, any user that is not in it (user_namespaces(7))
_SHELLS = frozenset(
    ("sh", "bash", "rbash", "bash-static", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "zsh", "yash")
)
_BASH_SCRIPT, _SCRIPT = 255, 10  # the descriptors at which bash, and the other shells, have the script that they run
_FROM_STDIN = (0, *range(10, 16))  # a shell that reads its commands there moves it while one of them has another
_A_COMMAND = "-c"
_MAX_WORDS = 1 << 21  # ARG_MAX, the most that execve(2) takes
_MAX_NAME = 4096
_PROGRAMS = ("/bin", "/usr/bin", "/usr/local/bin")
_READ_BYTES = 65536


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in clock ticks since the boot (proc(5), field 22 of stat), None for no process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def foreign_runs(script: str, deployments: str) -> list[tuple[int, int]]:
    """Return who runs `script` without one of our deployments having started it: pids and start ticks, oldest first.

    A process counts that is root's, the owner's of the script, or our own, by all of its user ids; whose program is a
    shell; and whose script is the file that `script` leads to. What one of these started is not listed besides. Ours
    are those below a folder of `deployments`, by their environment or an ancestor's words, and those in a unit of ours.
    """
    return _oldest_first({pid for pid in _runs_of(script) if not _is_ours(pid, deployments)})


def own_runs(script: str, deployments: str) -> list[tuple[int, int]]:
    """Return who runs `script` because one of our deployments has started it, as `foreign_runs` does."""
    return _oldest_first({pid for pid in _runs_of(script) if _is_ours(pid, deployments)})


def _oldest_first(found: set[int]) -> list[tuple[int, int]]:
    begun = [(start_ticks(pid), pid) for pid in found if _parent(pid) not in found]
    return [(pid, ticks) for ticks, pid in sorted((ticks, pid) for ticks, pid in begun if ticks is not None)]


def _runs_of(script: str) -> Iterator[int]:
    try:
        file = os.stat(script)
    except OSError:
        return
    users = {0, os.geteuid(), file.st_uid} - {_NOBODY}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid() and _runs(int(name), script, file, users):
            yield int(name)


def _runs(pid: int, script: str, file: os.stat_result, users: set[int]) -> bool:
    """Tell whether a process is a shell that runs the file: by its words, or by where a shell keeps its script open."""
    program = _shell_of(pid, users)
    words = words_of_process(pid) if program is not None else []
    if not words:
        return False
    argument = _first_argument(words[1:] if _base(words[0]) == "busybox" else words)
    if argument == _A_COMMAND:
        return False
    kept = _FROM_STDIN if not argument else (_BASH_SCRIPT,) if "bash" in (program or "") else (_SCRIPT,)
    named = bool(argument) and _is_file(pid, argument, script, file)
    return named or any(_is_same(f"/proc/{pid}/fd/{number}", file) for number in kept)


def _shell_of(pid: int, users: set[int]) -> str | None:
    """Return the path of the shell that a process of these users is, "" where it may not be seen, None for no shell.

    Its words are read when its user is known: how long that takes, the user could decide.
    """
    program = ""
    try:
        program = os.readlink(f"/proc/{pid}/exe")
        is_shell = _base(program.removesuffix(" (deleted)")) in _SHELLS
    except PermissionError:  # another user's: its words must do
        is_shell = _could_be_a_shell(pid)
    except OSError:
        return None  # a thread of the kernel, a zombie, or gone
    return program if is_shell and user_ids(pid) <= users else None


def user_ids(pid: int) -> set[int]:
    """Return all user ids of a process. One that anybody starts and that has the rights of another, has two."""
    return set(_numbers_of(pid, "Uid:")) or {_NOBODY}


def _is_in_a_container(pid: int) -> bool:
    """Tell whether a process has a pid namespace below ours, and so a number of its own there (NSpid in proc(5))."""
    return len(_numbers_of(pid, "NSpid:")) > 1


def _numbers_of(pid: int, key: str) -> list[int]:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
            line = next((line for line in file if line.startswith(key)), "")
    except OSError:
        line = ""
    return [int(number) for number in line.split()[1:]]


def _could_be_a_shell(pid: int) -> bool:
    """Tell whether a process whose program we may not see is the shell that it is called.

    Its words are for anybody to choose, also those of sudo(8), which has no user id but root's while it waits for a
    password. How much code the program has (statm in proc(5)) the kernel counts, and it must be as much as the shell's.
    """
    name = _base(_text(f"/proc/{pid}/cmdline", _MAX_NAME).partition("\0")[0])
    numbers = _text(f"/proc/{pid}/statm").split()
    if name not in _SHELLS or len(numbers) < 4:  # noqa: PLR2004 - the text is the fourth
        return False
    return int(numbers[3]) in {_pages_of_code(f"{folder}/{name}") for folder in _PROGRAMS}


def _pages_of_code(program: str) -> int:
    """Return how many pages the code of a program has, as the kernel counts them (elf(5)); -1 for none."""
    try:
        with open(program, "rb") as file:
            head = file.read(4096)
    except OSError:
        return -1
    wide, is_little = head[4:5] == b"\2", head[5:6] == b"\1"

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[at : at + size], "little" if is_little else "big")

    if not head.startswith(b"\x7fELF"):
        return -1
    table = number(32, 8) if wide else number(28, 4)
    size, count = (number(54, 2), number(56, 2)) if wide else (number(42, 2), number(44, 2))
    parts = []
    for at in range(table, table + size * count, size or 1):
        flags, begin, length = (4, (16, 8), (32, 8)) if wide else (24, (8, 4), (16, 4))
        if number(at, 4) == 1 and number(at + flags, 4) & 1:  # PT_LOAD, PF_X
            parts.append((number(at + begin[0], begin[1]), number(at + length[0], length[1])))
    if not parts:
        return -1
    page = resource.getpagesize()
    return -(-max(begin + length for begin, length in parts) // page) - min(begin for begin, _ in parts) // page


def _is_file(pid: int, name: str, script: str, file: os.stat_result) -> bool:
    """Tell whether a name, as a process sees it, is the file."""
    if name.startswith("/"):
        return _is_same(f"/proc/{pid}/root{name}", file) or _is_same(name, file)
    try:
        os.stat(f"/proc/{pid}/cwd/")
    except PermissionError:  # another user's: as far as the name goes, it must be the end of ours
        if _is_in_a_container(pid):  # its working directory is most likely in a file system that is not ours
            return False
        tail = [part for part in name.split("/") if part not in ("", ".", "..")]
        return bool(tail) and tail in (path.split("/")[-len(tail) :] for path in (script, os.path.realpath(script)))
    except OSError:
        return False
    return _is_same(f"/proc/{pid}/cwd/{name}", file)


def _is_same(path: str, file: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), file)
    except (OSError, ValueError):
        return False


def _first_argument(words: list[str]) -> str:
    """Return what a shell runs: the first word that is neither an option nor belongs to one (bash(1)), "" for none.

    With `-c` it is no file, with `-s` it is what stdin says.
    """
    rest = iter(words[1:])
    for word in rest:
        if not word.startswith(("-", "+")):
            return word
        if word in ("-", "--"):
            return next(rest, "")
        if word.startswith("-") and not word.startswith("--") and set(word) & {"c", "s"}:
            return _A_COMMAND if "c" in word else ""
        if word in ("--rcfile", "--init-file") or (not word.startswith("--") and word.endswith(("o", "O"))):
            next(rest, None)
    return ""


def _is_ours(pid: int, deployments: str) -> bool:
    """Tell whether one of our deployments has started a process; what cannot be read says nothing."""
    if "/pinakad-script@" in _text(f"/proc/{pid}/cgroup"):
        return True
    if f"\0PINAKAD_NODES_DIR={deployments}/" in "\0" + _text(f"/proc/{pid}/environ"):
        return True
    for _ in range(64):
        pid = _parent(pid)
        if pid <= 1:
            return False
        if any(word.startswith(f"{deployments}/") for word in words_of_process(pid)):
            return True
    return False


def words_of_process(pid: int) -> list[str]:
    """Return the command line of a process (proc(5)); empty for a thread of the kernel, a zombie, and none."""
    return _text(f"/proc/{pid}/cmdline").split("\0")[:-1]


def _parent(pid: int) -> int:
    fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _text(path: str, limit: int = _MAX_WORDS) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = b""
            while len(data) < limit and (more := os.read(descriptor, min(limit, _READ_BYTES))):
                data += more
        finally:
            os.close(descriptor)
    except OSError:
        return ""
    return os.fsdecode(data)


def _base(path: str) -> str:
    return path.rpartition("/")[2].lstrip("-")
