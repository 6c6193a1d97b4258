"""The daemon's start: what must hold before it serves anything, each with its own exit code."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pinakad import config, limits, runners
from pinakad.config import Config, ConfigError
from pinakad.daemon import Daemon
from pinakad.journal import set_up
from pinakad.locks import LockedError, lock
from pinakad.problems import cause_of
from pinakad.store import Store
from pinakad.trust import weakness
from pinakad.wiring import BootClockLoop

log = logging.getLogger(__name__)

EXIT_SECOND_INSTANCE = 75  # sysexits.h: EX_TEMPFAIL
EXIT_CONFIG = 78  # sysexits.h: EX_CONFIG


def main(config_option: Path | None, runner: str | None) -> int:
    """Run the daemon in the foreground and return its exit code."""
    set_up("info")
    limits.allow_many_files()
    limits.return_memory()
    runners.compiled()  # now: an upgrade may change the file before the first request
    limits.collect_rarely()
    read = partial(_read, config_option, runner)
    try:
        settings = read()
        set_up(settings.log.level)
        store = Store(config.state_dir())
        _check_folders(settings, store.root, config.runtime_dir())
        if os.geteuid() == 0:
            _check_trust(settings, store.root, config.runtime_dir(), config.config_file(config_option)[0])
        held = lock(store.lock_file)
        store.prepare()
    except ConfigError as error:
        for line in str(error).splitlines():
            log.error("%s", line)  # noqa: TRY400 - the operator's, no bug
        return EXIT_CONFIG
    except LockedError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator's, no bug
        return EXIT_SECOND_INSTANCE
    except OSError as error:
        text = "cannot use '%s': %s for user id %d; chown it, it is in the state folder"
        log.error(text, error.filename, cause_of(error), os.getuid())  # noqa: TRY400 - the same
        return EXIT_CONFIG
    with os.fdopen(held), asyncio.Runner(loop_factory=BootClockLoop) as loop:
        return loop.run(_run(settings, read, store))


def check(config_option: Path | None) -> int:
    """Tell whether the configuration can be used, and return an exit code that says so."""
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


async def _run(settings: Config, read: Callable[[], Config], store: Store) -> int:
    daemon = Daemon(settings, read, store, config.runtime_dir())
    try:
        daemon.claim_markers()
    except LockedError as error:
        log.error("%s", error)  # noqa: TRY400 - the operator's, no bug
        return EXIT_SECOND_INSTANCE
    await daemon.run()
    return 0


def _check_folders(settings: Config, state: Path, runtime: Path) -> None:
    """Raise ConfigError where a folder that must be written is not there or not writable, naming its setting."""
    wanted = {
        "$STATE_DIRECTORY": state,
        "$RUNTIME_DIRECTORY": runtime,
        "paths.markers (or paths.work_dir)": settings.markers_dir,
    }
    for name, folder in wanted.items():
        cause = _unusable(folder) if folder.is_absolute() else "it is not an absolute path"
        if cause:
            raise ConfigError(f"cannot use {name} = '{folder}': {cause}")


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
    if os.access(folder, os.W_OK | os.X_OK):
        return None
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return "it is read-only here; if the unit's sandbox makes it so, pinakactl setup opens it"
    return f"it is not writable for user id {os.getuid()}; chown or chmod it"
