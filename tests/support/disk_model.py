"""What can a power cut leave of the file operations that were recorded?

The model is as harsh as POSIX allows (in the manner of ALICE: Pillai et al., "All File Systems Are Not Created Equal",
OSDI 2014). The law:

- What a name in a folder stands for is durable when the folder was synced after it; what a file holds (and when it was
  written), when the file was; syncfs does both for all in one root: they may be on two file systems. A sync counts from
  its end, for what was done before it began.
- What is not durable is there or not, each operation for itself; only those at one name, and those on one file's
  content, come in their order. A rename is there at both of its names or at none.
- A content that is not durable may be empty, cut or zeros.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

from strace_log import Call

Key = tuple[int, str]
CONTENT = "/content"  # no name in a folder
_MAX_FOR_ALL_SUBSETS = 6
_UNREAD = {"script.log", "supervisor.py", "supervisor.pyc", "canary", "lock", "script.sha256"}
"""What a recovery makes no use of: their states would only multiply all others."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A change. `name` in `folder` stands for `inode` afterwards (None: for nothing); or an inode has new content."""

    keys: tuple[Key, ...]
    inode: int | None = None
    offset: int | None = None
    data: bytes = b""
    mtime_ns: int = 0
    by_producer: bool = False

    @property
    def is_content(self) -> bool:
        """Tell whether a file's content or time changes, and no name."""
        return self.keys[0][1] == CONTENT


@dataclass(frozen=True, slots=True)
class Inode:
    """A file, or a folder with no content. `number`: the real one, where a producer made it."""

    content: bytes = b""
    mtime_ns: int = 0
    is_folder: bool = False
    number: int = 0


@dataclass
class Tree:
    """What is on the disk: `roots` by their path, names in folders, inodes."""

    roots: dict[Path, int] = field(default_factory=dict)
    names: dict[Key, int] = field(default_factory=dict)
    inodes: dict[int, Inode] = field(default_factory=dict)
    changed: dict[int, int] = field(default_factory=dict)
    """Which of the inodes was changed later, by whatever operation: the order of their ctimes."""

    def copy(self) -> "Tree":
        """Return another one of the same."""
        return Tree(self.roots, dict(self.names), dict(self.inodes), dict(self.changed))

    def find(self, path: Path) -> Key | None:
        """Return folder and name of a path, None for one that is not on this disk."""
        for root, inode in self.roots.items():
            if path.is_relative_to(root) and path != root:
                folder = inode
                *way, name = path.relative_to(root).parts
                for part in way:
                    found = self.names.get((folder, part))
                    if found is None:
                        return None
                    folder = found
                return folder, name
        return None

    def inode_at(self, path: Path) -> int | None:
        """Return what a path stands for."""
        if path in self.roots:
            return self.roots[path]
        key = self.find(path)
        return None if key is None else self.names.get(key)

    def apply(self, operation: Operation) -> None:
        """Do it."""
        if operation.is_content:
            inode = operation.keys[0][0]
            before = self.inodes[inode]
            content = before.content
            if operation.offset is not None:
                padded = content.ljust(operation.offset, b"\0")
                content = padded[: operation.offset] + operation.data + padded[operation.offset + len(operation.data) :]
            self.inodes[inode] = replace(before, content=content, mtime_ns=operation.mtime_ns)
            self._note_change(inode)
            return
        *sources, target = operation.keys
        self._note_change(operation.inode)
        self._note_change(self.names.get(target))
        for key in sources:
            self.names.pop(key, None)
        if operation.inode is None:
            self.names.pop(target, None)
        else:
            self.names[target] = operation.inode

    def _note_change(self, inode: int | None) -> None:
        if inode is not None:
            self.changed[inode] = max(self.changed.values(), default=0) + 1

    def listing(self) -> Iterator[tuple[Path, int]]:
        """Return each path and its inode, folders before what is in them."""
        inside: dict[int, list[tuple[str, int]]] = {}
        for (folder, name), inode in sorted(self.names.items()):
            inside.setdefault(folder, []).append((name, inode))
        waiting = list(self.roots.items())
        for path, folder in waiting:
            for name, inode in inside.get(folder, []):
                yield path / name, inode
                if self.inodes[inode].is_folder:
                    waiting.append((path / name, inode))

    @property
    def is_possible(self) -> bool:
        """Tell whether no two files are one: an inode is used again once nothing on the disk stands for it."""
        numbers = [self.inodes[inode].number for inode in {inode for _, inode in self.listing()}]
        used = [number for number in numbers if number]
        return len(used) == len(set(used))

    def identity(self) -> tuple[object, ...]:
        """Return what tells one state of a disk from another."""
        return tuple((path, inode, self.inodes[inode]) for path, inode in self.listing())


@dataclass
class Disk:
    """The operations in their order, and from which moment on each of them is durable."""

    first: Tree
    operations: list[Operation] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    durable: list[int | None] = field(default_factory=list)
    moments: int = 0
    launches: list[int] = field(default_factory=list)
    """The moments at which a script was let go."""

    def __post_init__(self) -> None:
        self.live = self.first.copy()

    def do(self, operation: Operation) -> None:
        """Add an operation, which has just been done."""
        self.moments += 1
        self.live.apply(operation)
        self.operations.append(operation)
        self.at.append(self.moments)
        self.durable.append(None)

    def new_inode(self, inode: Inode) -> int:
        """Return the number of an inode that nothing stands for yet."""
        number = max(self.first.inodes) + 1
        self.first.inodes[number] = self.live.inodes[number] = inode
        return number

    def sync(self, inodes: set[int], count: int) -> None:
        """Make durable what was done to some inodes among the first `count` operations."""
        self.moments += 1
        for index in reversed(range(count)):
            if any(key[0] in inodes for key in self.operations[index].keys):
                self._make_durable(index, self.moments)

    def let_producers_be_durable(self) -> None:
        """Let all that a producer did be durable at once."""
        for index, operation in enumerate(self.operations):
            if operation.by_producer:
                self._make_durable(index, self.at[index])

    def _make_durable(self, index: int, moment: int) -> None:
        """What was done before at the same names is durable then, too."""
        known = self.durable[index]
        if known is not None and known <= moment:
            return
        self.durable[index] = moment
        keys = set(self.operations[index].keys)
        for earlier in range(index):
            if keys & set(self.operations[earlier].keys):
                self._make_durable(earlier, moment)

    def states_at(self, moment: int) -> Iterator[Tree]:
        """Return what a cut at a moment can leave; some more than once."""
        done = [index for index, at in enumerate(self.at) if at <= moment]
        base, pending = self.first.copy(), []
        for index in done:
            durable = self.durable[index]
            if durable is not None and durable <= moment:
                base.apply(self.operations[index])
            else:
                pending.append(self.operations[index])
        for chosen in _subsets(pending):
            state = base.copy()
            for index in chosen:
                state.apply(pending[index])
            yield state
            if len(chosen) in (1, len(pending)):
                yield from _torn(
                    state, {pending[index].keys[0][0] for index in chosen if pending[index].offset is not None}
                )


def _subsets(pending: Sequence[Operation]) -> set[tuple[int, ...]]:
    """Return which of the pending operations may be there, each choice with what must come before its members."""
    everything = range(len(pending))
    choices: list[Iterable[int]] = [everything, ()]
    if len(pending) <= _MAX_FOR_ALL_SUBSETS:
        choices += [chosen for size in everything for chosen in combinations(everything, size)]
    choices += [range(count) for count in everything]
    choices += [[index] for index in everything]
    choices += [[index for index in everything if index != missing] for missing in everything]
    for place in {key[0] for operation in pending for key in operation.keys}:
        there = [index for index in everything if any(key[0] == place for key in pending[index].keys)]
        choices += [there, [index for index in everything if index not in there]]
    alone = [_with_what_it_needs(index, pending) for index in everything]
    whole = {tuple(sorted(set().union(*(alone[index] for index in choice)))) for choice in choices}
    return whole | {_without_what_needs_more(choice, pending) for choice in choices}


def _with_what_it_needs(index: int, pending: Sequence[Operation]) -> set[int]:
    needed = {index}
    for earlier in reversed(range(index)):
        if any(set(pending[earlier].keys) & set(pending[later].keys) for later in needed):
            needed.add(earlier)
    return needed


def _without_what_needs_more(choice: Iterable[int], pending: Sequence[Operation]) -> tuple[int, ...]:
    missing: set[Key] = set()
    chosen, left = [], set(choice)
    for index, operation in enumerate(pending):
        if index in left and not missing & set(operation.keys):
            chosen.append(index)
        else:
            missing |= set(operation.keys)
    return tuple(chosen)


def _torn(state: Tree, inodes: set[int]) -> Iterator[Tree]:
    """Return the states in which one of the files that were not synced has another content than was written."""
    for inode in inodes:
        whole = state.inodes[inode]
        for content in (b"", whole.content[: len(whole.content) // 2], bytes(len(whole.content))):
            torn = state.copy()
            torn.inodes[inode] = replace(whole, content=content)
            yield torn


class Replay:
    """Puts the calls of a log onto a disk, one after the other. Raises ValueError for one that it has no model of."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._ends: list[int] = []  # of the operations, in nanoseconds

    def take(self, call: Call) -> None:
        """Do what a call did, where it did it to this disk."""
        names = {
            "open": self._open, "openat": self._open, "creat": self._open,
            "write": self._write, "pwrite64": self._write,
            "ftruncate": self._truncate,
            "fsync": self._sync, "fdatasync": self._sync, "syncfs": self._sync_all,
            "rename": self._move, "renameat": self._move, "renameat2": self._move,
            "link": self._link, "linkat": self._link,
            "unlink": self._unlink, "unlinkat": self._unlink, "rmdir": self._unlink,
            "mkdir": self._mkdir, "mkdirat": self._mkdir,
            "execve": self._execute,
        }  # fmt: skip
        before = len(self._disk.operations)
        act = names.get(call.name, self._refuse)
        act(call)
        self._ends += [call.ended_ns] * (len(self._disk.operations) - before)

    def produce(self, operation: Operation, now_ns: int) -> None:
        """Do what a producer did."""
        self._disk.do(operation)
        self._ends.append(now_ns)

    def _open(self, call: Call) -> None:
        path = call.path(1, 0) if call.name == "openat" else call.path(0)
        flags = call.arguments[2 if call.name == "openat" else 1]
        key = self._disk.live.find(path)
        if key is None or key[1] in _UNREAD:
            return
        inode = self._disk.live.names.get(key)
        if inode is None and ("O_CREAT" in flags or call.name == "creat"):
            new = self._disk.new_inode(Inode(mtime_ns=call.ended_ns))
            self._disk.do(Operation((key,), new))
        elif inode is not None and "O_TRUNC" in flags:
            raise ValueError(f"'{path}' is truncated, and there is no model of that")

    def _write(self, call: Call) -> None:
        inode = self._disk.live.inode_at(call.open_path(0))
        if inode is None or call.open_path(0).name in _UNREAD:
            return
        at = int(call.arguments[3]) if call.name == "pwrite64" else len(self._disk.live.inodes[inode].content)
        self._disk.do(Operation(((inode, CONTENT),), None, at, call.text(1), call.ended_ns))

    def _truncate(self, call: Call) -> None:
        if self._disk.live.inode_at(call.open_path(0)) is not None:
            self._refuse(call)

    def _sync(self, call: Call) -> None:
        inode = self._disk.live.inode_at(call.open_path(0))
        if inode is not None:
            self._disk.sync({inode}, self._done_before(call.begun_ns))

    def _sync_all(self, call: Call) -> None:
        """The roots may be on two file systems."""
        for root, inode in self._disk.live.roots.items():
            if call.open_path(0).is_relative_to(root):
                inside = {each for path, each in self._disk.live.listing() if path.is_relative_to(root)}
                self._disk.sync(inside | {inode}, self._done_before(call.begun_ns))

    def _done_before(self, moment_ns: int) -> int:
        return sum(1 for end in self._ends if end < moment_ns)

    def _move(self, call: Call) -> None:
        two = (call.path(0), call.path(1)) if call.name == "rename" else (call.path(1, 0), call.path(3, 2))
        source, target = (self._disk.live.find(path) for path in two)
        if source is None and target is None:
            return
        if source is None or target is None or "EXCHANGE" in call.arguments[-1]:
            self._refuse(call)
        elif self._disk.live.names.get(source) != self._disk.live.names.get(target):
            self._disk.do(Operation((source, target), self._disk.live.names[source]))

    def _link(self, call: Call) -> None:
        two = (call.path(0), call.path(1)) if call.name == "link" else (call.path(1, 0), call.path(3, 2))
        target = self._disk.live.find(two[1])
        source = self._disk.live.inode_at(two[0])
        if target is not None and source is None:
            self._refuse(call)
        elif target is not None:
            self._disk.do(Operation((target,), source))

    def _unlink(self, call: Call) -> None:
        key = self._disk.live.find(call.path(1, 0) if call.name == "unlinkat" else call.path(0))
        if key is not None and key in self._disk.live.names:
            self._disk.do(Operation((key,), None))

    def _mkdir(self, call: Call) -> None:
        key = self._disk.live.find(call.path(1, 0) if call.name == "mkdirat" else call.path(0))
        if key is not None and key[1] not in _UNREAD:
            self._disk.do(Operation((key,), self._disk.new_inode(Inode(is_folder=True))))

    def _execute(self, call: Call) -> None:
        if call.path(0).name == "bash":
            self._disk.launches.append(self._disk.moments)

    def _refuse(self, call: Call) -> None:
        """A call that changes files in a way that is not replayed must not go unnoticed."""
        if any(str(root) in argument for root in self._disk.live.roots for argument in call.arguments):
            raise ValueError(f"there is no model of {call.name}{call.arguments}")
