"""What must hold before the daemon serves anything? Each condition has its own exit code."""

import asyncio
import errno
import logging
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pinakad import config
from pinakad.config import Config, ConfigError
from pinakad.daemon.daemon import Daemon
from pinakad.linux import limits
from pinakad.linux.journal import set_up
from pinakad.linux.locks import LockedError, StateLock
from pinakad.linux.loop import BootClockLoop
from pinakad.linux.ownership import weakness
from pinakad.printable import cause_of
from pinakad.state.store import Store

log = logging.getLogger(__name__)

EXIT_SECOND_INSTANCE = 75  # sysexits.h: EX_TEMPFAIL
EXIT_READ_ONLY = 74  # sysexits.h: EX_IOERR; a restart may mend it
EXIT_CONFIG = 78  # sysexits.h: EX_CONFIG
READ_ONLY_WAIT_S = 6.0
"""So long a read-only folder is waited for: the restarts that follow then never come too often for StartLimitBurst=. A
restart is needed where the unit's sandbox keeps the mount as it was when the sandbox was made."""
_CHECK_S = 0.25


class ReadOnlyError(Exception):
    """A file system is read-only, as it may be for a moment at boot or after an error. The message names the folder."""


def main(config_option: Path | None, runner: str | None) -> int:
    """Run the daemon in the foreground and return its exit code."""
    set_up("info")
    limits.allow_many_files()
    limits.return_memory()
    limits.collect_rarely()
    read = partial(_read, config_option, runner)
    try:
        settings = read()
        set_up(settings.log.level)
        store = Store(config.state_dir())
        _wait_for_folders(settings, store.root, config.runtime_dir())
        if os.geteuid() == 0:
            _check_trust(settings, store.root, config.runtime_dir(), config.config_file(config_option)[0])
        held = StateLock(store.lock_file)
        held.hold()
        store.prepare()
    except ConfigError as error:
        for line in str(error).splitlines():
            log.error("%s", line)  # noqa: TRY400 - the operator's, no bug
        return EXIT_CONFIG
    except ReadOnlyError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator's, no bug
        return EXIT_READ_ONLY
    except LockedError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator's, no bug
        return EXIT_SECOND_INSTANCE
    except OSError as error:
        text = "cannot use '%s': %s for user id %d; chown it, it is in the state folder"
        log.error(text, error.filename, cause_of(error), os.getuid())  # noqa: TRY400 - the same
        return EXIT_READ_ONLY if error.errno == errno.EROFS else EXIT_CONFIG
    with asyncio.Runner(loop_factory=BootClockLoop) as loop:
        return loop.run(_run(settings, read, store, held))


def check(config_option: Path | None) -> int:
    """Check the configuration, print what is wrong with it, and return the exit code."""
    try:
        config.load(config_option)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_CONFIG
    return 0


def _read(config_option: Path | None, runner: str | None) -> Config:
    """Read the configuration; the command line's runner wins, at every reload too."""
    settings = config.load(config_option)
    if runner is None:
        return settings
    script = settings.script.model_copy(update={"runner": runner})
    return settings.model_copy(update={"script": script})


async def _run(settings: Config, read: Callable[[], Config], store: Store, held: StateLock) -> int:
    daemon = Daemon(settings, read, store, held, config.runtime_dir())
    try:
        daemon.claim_markers()
    except LockedError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator's, no bug
        return EXIT_SECOND_INSTANCE
    await daemon.run()
    return 0


def _wait_for_folders(settings: Config, state: Path, runtime: Path) -> None:
    """Wait while a folder is read-only. Raises ConfigError, and ReadOnlyError where it stays so."""
    ends_s, logged = time.monotonic() + READ_ONLY_WAIT_S, False
    while True:
        try:
            _check_folders(settings, state, runtime)
        except ReadOnlyError as error:
            if time.monotonic() >= ends_s:
                raise
            if not logged:
                log.warning("%s; it is waited for", error)
            logged = True
            time.sleep(_CHECK_S)
        else:
            return


def _check_folders(settings: Config, state: Path, runtime: Path) -> None:
    """Raise ConfigError where a folder that must be written is not there or not writable, naming its setting.

    Raises ReadOnlyError where that is the file system's doing.
    """
    wanted = {
        "$STATE_DIRECTORY": state,
        "$RUNTIME_DIRECTORY": runtime,
        "paths.markers (or paths.work_dir)": settings.markers_dir,
    }
    for name, folder in wanted.items():
        cause = _unusable(folder) if folder.is_absolute() else "it is not an absolute path"
        if cause:
            raise ConfigError(f"cannot use {name} = '{folder}': {cause}")
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            cause = "it is read-only here; if the unit's sandbox makes it so, pinakactl setup opens it"
            raise ReadOnlyError(f"cannot use {name} = '{folder}': {cause}")


def _check_trust(settings: Config, state: Path, runtime: Path, file: Path) -> None:
    """Raise ConfigError where root would write in, or take orders from, what somebody else could exchange meanwhile.

    In the marker folder the group of the producers may write: it is what they ask through, all that is found there is
    taken for hostile, and nothing there is followed. But it must be root's, and so must the way to it.
    """
    found = [weakness(folder) for folder in (state, runtime)]
    found.append(weakness(settings.markers_dir, shared=True))
    if file.exists():
        found.append(weakness(file))
    for cause in filter(None, found):
        text = (
            f"root does not run pinakad here: {cause}. Use `systemctl start pinakad`, or run it as the owner of its "
            "folders: setpriv --reuid=pinakasupport --regid=pinakasupport --init-groups pinakad"
        )
        raise ConfigError(text)


def _unusable(folder: Path) -> str | None:
    """Return why a folder cannot be written in, and what to do about it."""
    try:
        if not folder.is_dir():
            return "there is no such folder; pinakactl setup makes it"
    except OSError as error:
        return f"{cause_of(error)} on the way there for user id {os.getuid()}; chmod a+x its parents"
    if os.access(folder, os.W_OK | os.X_OK) or os.statvfs(folder).f_flag & os.ST_RDONLY:
        return None
    return f"it is not writable for user id {os.getuid()}; chown or chmod it"
