"""Ask the daemon whether a login at an address works. It has the key; whoever asks needs none."""

import json
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from pinakad.client.access import opened
from pinakad.client.errors import NoAnswerError, NoDaemonError, NoWriteError, UnknownFileError
from pinakad.config import Config
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.locks import is_locked
from pinakad.markers.names import REACH
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.report.reach import ReachAnswer
from pinakad.state.store import Store

_MODE = 0o664
_MAX_ANSWER = 1 << 16
_CHECK_EVERY_S = 0.05


def ask_reach(settings: Config, state_dir: Path, runtime_dir: Path, address: str, limit_s: float) -> ReachAnswer:
    """Ask for one attempt at an address, and return what it found.

    Raises NoWriteError, NoDaemonError where none runs, and NoAnswerError where none comes within `limit_s` seconds.
    """
    if not is_locked(Store(state_dir).lock_file):
        raise NoDaemonError(0)
    token = secrets.token_hex(16)
    question = json.dumps({"address": address}).encode() + b"\n"
    with opened(settings.markers_dir) as folder:
        name = REACH + token
        try:
            folder.create(name, question, _MODE, durable=False)
        except OSError as error:
            raise NoWriteError(settings.markers_dir, error) from error
        try:
            return _answer(runtime_dir / "reach" / f"{token}.json", address, limit_s)
        finally:
            with suppress(OSError):
                folder.remove(name)


def address_of(files: Sequence[ParsedNodeFile], text: str, folder: Path) -> str:
    """Return the polled address of the node with this host name (case ignored, the short one too), or the text itself.

    `files` are those that lie in `folder`. Raises UnknownFileError for a host name that no file has.
    """
    if text.replace(".", "").isdigit() or ":" in text:
        return text
    wanted = text.lower()
    for file in sorted(files, key=lambda file: file.key, reverse=True):
        name = (file.hostname or "").lower()
        if wanted in (name, name.split(".")[0], file.name) and file.stated and file.stated.chosen:
            return file.stated.chosen[0]
    raise UnknownFileError(text, folder)


def _answer(path: Path, address: str, limit_s: float) -> ReachAnswer:
    ends_s = time.monotonic() + limit_s
    while time.monotonic() < ends_s:
        try:
            return ReachAnswer.model_validate_json(read_regular(path, _MAX_ANSWER))
        except FileNotFoundError:
            time.sleep(_CHECK_EVERY_S)
        except (OSError, NotRegularError, ValidationError):
            break
    raise NoAnswerError(address, limit_s)
