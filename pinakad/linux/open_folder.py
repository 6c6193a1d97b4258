"""A folder that is open: what is done in it stays in it, whatever its path leads to meanwhile.

For folders that others may write too. Nothing that they put there is followed, waited for or changed in its mode: names
are made, moved and removed, and files are read that are files. Where root works in the folder of another user, it does
so with that user's rights.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Self

from pinakad.linux import calls
from pinakad.linux.rights import Rights, held
from pinakad.linux.walk import Walk

_OPENED = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_COPIED = 0o775
"""Of a folder's mode: neither everybody's write nor a bit that lends rights; setgid is passed on by the kernel."""


class _Folder:
    """One open folder, to read. Names are single names in it. Every method raises OSError."""

    def __init__(self, descriptor: int, path: Path, rights: Rights | None) -> None:
        self.path = path
        self.rights = rights
        self.descriptor = descriptor

    @property
    def here(self) -> Path:
        """A path of this very folder, for as long as it is open (proc(5)): for code that takes paths."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    def acting(self) -> AbstractContextManager[None]:
        """Have the rights with which the folder is used."""
        return held(self.rights)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """Return the names that are in it."""
        with self.acting():
            return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor has no path

    def status(self, name: str = ".") -> os.stat_result | None:
        """Return the status of an entry, which is not followed; None where there is none."""
        with self.acting(), suppress(FileNotFoundError):
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        return None

    def may_write(self) -> bool:
        """Tell whether names can be made in it."""
        with self.acting():
            return os.access(".", os.W_OK | os.X_OK, dir_fd=self.descriptor, effective_ids=True)

    def sync(self) -> None:
        """Make its names durable."""
        os.fsync(self.descriptor)


class OpenFolder(_Folder):
    """One open folder, to read and to change."""

    def create(self, name: str, data: bytes, mode: int, *, durable: bool) -> None:
        """Write a file that was not there; FileExistsError where something is, a link too."""
        with self.acting():
            calls.create(name, data, mode, durable=durable, folder=self.descriptor)

    def create_all(self, files: Mapping[str, bytes], mode: int) -> None:
        """Write many files that were not there, and make them durable with one sync for all."""
        with self.acting():
            for name, data in files.items():
                calls.create(name, data, mode, durable=False, folder=self.descriptor)
            calls.sync_file_system(self.descriptor)

    def replace(self, name: str, draft: str) -> None:
        """Give a file the name of another, which it replaces."""
        with self.acting():
            os.rename(draft, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def write_whole(self, name: str, data: bytes, mode: int) -> None:
        """Write a file aside and put it in place, over a file or a name that is free; as OSError says otherwise."""
        draft = f".{name}.new"
        self.require_replaceable(name)
        self.remove(draft)
        try:
            self.create(draft, data, mode, durable=False)
            self.replace(name, draft)
        except OSError:
            with suppress(OSError):
                self.remove(draft)
            raise

    def require_replaceable(self, name: str) -> None:
        """Raise OSError where an entry is neither a regular file nor missing: a device is not to be lost."""
        status = self.status(name)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EEXIST, "there is something that is no regular file, and it is not replaced", name)

    def exchange(self, one: str, other: str) -> None:
        """Let two entries change names at one stroke: at no moment is there none."""
        with self.acting():
            self._rename(one, self, other, calls.EXCHANGE)

    def link_or_move(self, name: str, place: "OpenFolder", new_name: str) -> None:
        """Give an entry another name, at which nothing may be: FileExistsError. Where it can, link(2) does it.

        A folder has no second name, and a file of somebody else's may get none (fs.protected_hardlinks, proc(5)).
        In another folder the new name is durable before the old one goes: a power cut leaves one of them.
        """
        with self.acting():
            try:
                os.link(
                    name,
                    new_name,
                    src_dir_fd=self.descriptor,
                    dst_dir_fd=place.descriptor,
                    follow_symlinks=False,
                )
            except PermissionError:
                self._rename(name, place, new_name, calls.NO_REPLACE)
            else:
                if place is not self:
                    place.sync()
                os.unlink(name, dir_fd=self.descriptor)

    def remove(self, name: str) -> bool:
        """Remove an entry, an empty folder too; tell whether it was there."""
        with self.acting():
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except FileNotFoundError:
                return False
            except IsADirectoryError:
                os.rmdir(name, dir_fd=self.descriptor)
        return True

    def symlink(self, name: str, target: Path) -> None:
        """Make a link."""
        with self.acting():
            os.symlink(target, name, dir_fd=self.descriptor)

    def readlink(self, name: str) -> Path | None:
        """Return where a link leads, None where there is no link."""
        with self.acting(), suppress(OSError):
            return Path(os.readlink(name, dir_fd=self.descriptor))
        return None

    def below(self, name: str, *, make: bool = False) -> "OpenFolder":
        """Open a folder in this one, which is no link; `make`: where there is none, with this one's mode.

        It has the mode from its first moment: one that is set afterwards could be set to what was put there instead.
        """
        with self.acting():
            if make:
                mode = os.fstat(self.descriptor).st_mode & _COPIED
                with suppress(FileExistsError), _umask(0):
                    os.mkdir(name, mode, dir_fd=self.descriptor)
            return OpenFolder(os.open(name, _OPENED, dir_fd=self.descriptor), self.path / name, self.rights)

    def _rename(self, name: str, place: "OpenFolder", new_name: str, flags: int) -> None:
        calls.rename(name, new_name, flags, self.descriptor, place.descriptor)


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def shared_folder(path: Path) -> OpenFolder:
    """Open a folder that others may write too, as the first one on the way there who is not root. Raises OSError."""
    return _opened(Walk(as_owner=True), path.absolute(), path)


def open_folder(path: Path) -> OpenFolder:
    """Open a folder with our own rights: beside other threads these may not change. Raises OSError."""
    return _opened(Walk(), path.absolute(), path)


def folder_in(root: Path, place: Path, *, make: bool = False) -> OpenFolder:
    """Open a folder of the machine whose file system is `root`: no link there leads out of it. Raises OSError."""
    return _opened(Walk(root, make=make), place, root / place)


def _opened(walk: Walk, way: Path, path: Path) -> OpenFolder:
    try:
        walk.to(way)
        with held(walk.rights):
            return OpenFolder(os.open(".", _OPENED, dir_fd=walk.here), path, walk.rights)
    except OSError as error:
        raise _of(error, path) from None
    finally:
        walk.close()


def _of(error: OSError, path: Path) -> OSError:
    """Return the error with the path that was asked for, and the step of it that failed."""
    step = f" at '{error.filename}'" if error.filename and error.filename not in (path.name, ".") else ""
    return OSError(error.errno or errno.EIO, f"{error.strerror}{step}", str(path))
