"""Operations in an open folder, which a change of its path cannot redirect.

They are for folders that other users may write, too. Entries of other users are not followed, not waited for, and keep
their mode: names are made, moved and removed. Where root works in the folder of another user, it does so with that
user's rights.
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
"""The bits of a folder's mode that a new one in it gets: not the write bit of others; the kernel passes setgid on."""


class _Folder:
    """One open folder, to read. `name` is always a single name in it. Every method raises OSError."""

    def __init__(self, descriptor: int, path: Path, rights: Rights | None) -> None:
        self.path = path
        self.rights = rights
        self.descriptor = descriptor

    @property
    def here(self) -> Path:
        """A path of this folder, valid while it is open (proc(5)), for code that takes paths."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    def acting(self) -> AbstractContextManager[None]:
        """Return a context in which this process has the rights with which the folder is used."""
        return held(self.rights)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def names(self) -> list[str]:
        """Return the names of all entries."""
        with self.acting():
            return os.listdir(self.descriptor)  # noqa: PTH208 - a descriptor has no path

    def status(self, name: str = ".") -> os.stat_result | None:
        """Return the status of an entry (a link is not followed), None where there is no such entry."""
        with self.acting(), suppress(FileNotFoundError):
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        return None

    def may_write(self) -> bool:
        """Return whether names can be made in the folder."""
        with self.acting():
            return os.access(".", os.W_OK | os.X_OK, dir_fd=self.descriptor, effective_ids=True)

    def sync(self) -> None:
        """Make the names in the folder durable."""
        os.fsync(self.descriptor)


class OpenFolder(_Folder):
    """One open folder, to read and to change."""

    def create(self, name: str, data: bytes, mode: int, *, durable: bool) -> None:
        """Create a file with its content. Raises FileExistsError where there is anything, a link too."""
        with self.acting():
            calls.create(name, data, mode, durable=durable, folder=self.descriptor)

    def create_all(self, files: Mapping[str, bytes], mode: int) -> None:
        """Create many files (name -> content), and make them durable with one sync. Raises FileExistsError."""
        with self.acting():
            for name, data in files.items():
                calls.create(name, data, mode, durable=False, folder=self.descriptor)
            calls.sync_file_system(self.descriptor)

    def replace(self, name: str, draft: str) -> None:
        """Atomically rename the file `draft` to `name`; a file of that name is replaced."""
        with self.acting():
            os.rename(draft, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def write_whole(self, name: str, data: bytes, mode: int) -> None:
        """Atomically write a file: write a draft and rename it. Raises OSError for an entry that is no regular file."""
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
        """Raise OSError where an entry is neither a regular file nor missing: a device must not be replaced."""
        status = self.status(name)
        if status is not None and not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EEXIST, "there is something that is no regular file, and it is not replaced", name)

    def exchange(self, one: str, other: str) -> None:
        """Atomically exchange two entries (RENAME_EXCHANGE, renameat2(2)); both names exist at all times."""
        with self.acting():
            self._rename(one, self, other, calls.EXCHANGE)

    def link_or_move(self, name: str, place: "OpenFolder", new_name: str) -> None:
        """Give an entry a new name in `place`, by link(2) where possible. Raises FileExistsError where it is in use.

        A folder cannot have a second name, and a file of another user may not get one (fs.protected_hardlinks,
        proc(5)). In another folder the new name is durable before the old one is removed: a power cut leaves one or
        both.
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
        """Remove an entry, or an empty folder; return whether it existed."""
        with self.acting():
            try:
                os.unlink(name, dir_fd=self.descriptor)
            except FileNotFoundError:
                return False
            except IsADirectoryError:
                os.rmdir(name, dir_fd=self.descriptor)
        return True

    def symlink(self, name: str, target: Path) -> None:
        """Make a symbolic link to `target`."""
        with self.acting():
            os.symlink(target, name, dir_fd=self.descriptor)

    def readlink(self, name: str) -> Path | None:
        """Return the target of a symbolic link, None where there is no link."""
        with self.acting(), suppress(OSError):
            return Path(os.readlink(name, dir_fd=self.descriptor))
        return None

    def below(self, name: str, *, make: bool = False) -> "OpenFolder":
        """Open a folder in this one, no link; `make`: make a missing one with the mode of this folder.

        mkdir(2) sets the mode: a chmod afterwards could change an entry that was put there instead.
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
    """Open a folder that other users may write, too. Raises OSError.

    Root does so with the rights of the first other user who owns a folder on the way.
    """
    return _opened(Walk(as_owner=True), path.absolute(), path)


def open_folder(path: Path) -> OpenFolder:
    """Open a folder with our own rights, as beside other threads rights must not change. Raises OSError."""
    return _opened(Walk(), path.absolute(), path)


def folder_in(root: Path, place: Path, *, make: bool = False) -> OpenFolder:
    """Open the folder `place` in the file system at `root`, which no link leaves. Raises OSError."""
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
    """Return the error with the requested path, and with the step of it that failed."""
    step = f" at '{error.filename}'" if error.filename and error.filename not in (path.name, ".") else ""
    return OSError(error.errno or errno.EIO, f"{error.strerror}{step}", str(path))
