"""What has the deployment script said so far, and what does it say next?"""

import codecs
import os
import re
import time
from contextlib import suppress

from pinakad.cli.console.session import FaultError
from pinakad.client.errors import NoReadError
from pinakad.config import Config
from pinakad.linux.files import NotRegularError, open_regular
from pinakad.report.document import Report
from pinakad.script.outcome import NotRun, Over
from pinakad.script.output import LOG
from pinakad.script.script import ScriptOnDisk
from pinakad.state.store import StateUnreadableError, Store

_CHECK_EVERY_S = 0.1
_CHUNK = 1 << 16
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_MAYBE_COLOUR = re.compile(r"\x1b(\[[0-9;:]{0,64})?\Z")
_RESET = "\x1b[0m"


class ScriptLog:
    """The script.log of one deployment."""

    def __init__(self, store: Store, identifier: str, settings: Config) -> None:
        self._store = store
        self._id = identifier
        self._path = store.folder(identifier) / LOG
        folder = store.folder(identifier)
        self._script = ScriptOnDisk(folder, identifier, settings.script_path, settings.paths.work_dir, settings.script)

    def copy(self, target: int, *, follow: bool) -> None:
        """Write the log to the descriptor `target`; with `follow` until the script has ended. Raises FaultError."""
        source = self._open(follow=follow)
        screen = Screen() if os.isatty(target) else None
        try:
            while True:
                over = not follow or self._is_over()  # asked before we read: what it said before it ended, we then see
                while chunk := os.read(source, _CHUNK):
                    _write(target, screen.feed(chunk) if screen else chunk)
                if over:
                    break
                time.sleep(_CHECK_EVERY_S)
        finally:
            os.close(source)
            _write(target, screen.end() if screen else b"")

    def _open(self, *, follow: bool) -> int:
        """Open the log; with `follow` wait until the script begins to write it."""
        while True:
            over = not follow or self._is_over()
            try:
                return open_regular(self._path)
            except FileNotFoundError:
                if over:
                    raise FaultError(self._why_none()) from None
            except NotRegularError:
                text = f"cannot read '{self._path}': it is no regular file, so the script's supervisor did not make it"
                raise FaultError(text) from None
            except OSError as error:
                raise NoReadError(self._path, error) from error
            time.sleep(_CHECK_EVERY_S)

    def _is_over(self) -> bool:
        """Return whether nothing will be written any more: the script has ended, or never will begin."""
        with suppress(OSError, ValueError, KeyError, TypeError):  # a record that no supervisor writes says nothing
            found = self._script.status()
            if isinstance(found, Over) or found is NotRun.EVER:
                return True
        report = self._report()
        return report is None or report.is_finished or not report.policy.script.launch

    def _why_none(self) -> str:
        report = self._report()
        text = f"there is no '{self._path}': "
        if report is None:
            return text + "nor can the report be read; see pinakactl doctor"
        if not report.policy.script.launch:
            return text + "[script] launch is false, and whoever started the script has its output"
        if report.policy.script.output != "file":
            where = "the journal" if report.policy.script.output == "journal" else "nowhere"
            return text + f'[script] output is "{report.policy.script.output}", its output went to {where}'
        if report.clock.launched_at is None:
            ended = f"it ended with {report.reason}" if report.is_finished else f"it is {report.phase}"
            return text + f"the script of deployment {self._id} was not started, {ended}; see pinakactl show {self._id}"
        return text + "somebody has removed it"

    def _report(self) -> Report | None:
        try:
            return self._store.load(self._id)
        except StateUnreadableError:
            return None


class Screen:
    """Makes bytes safe for a terminal: control characters are escaped, but for new lines, tabs and colours."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._held = ""
        self._coloured = False

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown of `data` and of what was held back before."""
        text = self._held + self._decoder.decode(data)
        half = _MAYBE_COLOUR.search(text)
        self._held = text[half.start() :] if half else ""
        return self._safe(text.removesuffix(self._held))

    def end(self) -> bytes:
        """Return the rest, and the terminal's own colour."""
        rest = self._safe(self._held + self._decoder.decode(b"", final=True))
        self._held = ""
        return rest + (_RESET.encode() if self._coloured else b"")

    def _safe(self, text: str) -> bytes:
        parts, place = [], 0
        for colour in _COLOUR.finditer(text):
            parts += [_escaped(text[place : colour.start()]), colour[0]]
            place = colour.end()
            self._coloured = True
        parts.append(_escaped(text[place:]))
        return "".join(parts).encode("utf-8", "backslashreplace")


def _escaped(text: str) -> str:
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(target, view) :]
