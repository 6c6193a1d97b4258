"""Where does the real daemon live in a test? A `World`: folders, configuration, requests, answers.

Every report that is read here is held against its model and against what is true of every report.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from documents import checked_report, checked_status
from forms import default
from notify_socket import NotifySocket
from processes import end_all_that_mention

from pinakad.report.document import Report, Status

REQUEST, CANCEL = "deployment_in_progress", "deployment_cancel"
ANSWERS = {"deployment_completed", "deployment_failed"}
DEADLINE_S = 20.0
_Found = TypeVar("_Found")
_numbers = count(1)


def without_rights() -> list[str]:
    """Return what goes before a command so that modes and owners bind it, as they bind people who are not root."""
    return ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


class World:
    """One work_dir with its daemon. `start` it, `request` something, read the `answer`; `close` ends all of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work_dir = root / "wd"
        self.nodes = self.work_dir / "cluster" / "nodes"
        self.markers = self.work_dir / ".markers" / "deplyment_status"
        self.script = self.work_dir / ".scripts" / "deployment_service.sh"
        self.key = self.work_dir / "key" / "ps_key.pem"
        self.state, self.runtime = root / "state", root / "run"
        self.config, self.log = root / "pinakad.toml", root / "pinakad.log"
        self.drafts = root / "drafts"
        self.program = ["-m", "pinakad"]
        self.as_who: list[str] = []  # setpriv(1) and its options, where the daemon is not to be who we are
        self.daemon: subprocess.Popen[bytes] | None = None
        self.notify = NotifySocket()
        self._network = f"127.{os.getpid() % 250 + 2}.{next(_numbers) % 250 + 2}"
        self._settings: dict[str, dict[str, Any]] = {}
        self._gates: list[int] = []
        self._seen: str | None = None
        for folder in (self.nodes, self.markers, self.script.parent, self.key.parent):
            folder.mkdir(parents=True)
        for folder in (self.state, self.runtime, self.drafts):
            folder.mkdir()
        self.public_key = write_key(self.key)
        self.configure(
            paths={"work_dir": self.work_dir},
            script={"timeout_s": 60},
            ssh={"allow_loopback": True, "connect_timeout_s": 1, "banner_timeout_s": 5, "command_timeout_s": 10},
            poll={"delay_s": 0, "interval_s": 0.2, "attempts": 150},
        )
        self.write_script("")

    # --- what the operator prepares

    def configure(self, **tables: dict[str, Any]) -> None:
        """Write the configuration: what was set before, and this over it."""
        for name, table in tables.items():
            self._settings[name] = self._settings.get(name, {}) | table
        lines = []
        for name, table in self._settings.items():
            lines.append(f"[{name}]")
            shown = {key: str(item) if isinstance(item, Path) else item for key, item in table.items()}
            lines += [f"{key} = {json.dumps(item)}" for key, item in shown.items()]
        self.config.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def address(self, last: int) -> str:
        """Return a loopback address that is this world's own."""
        return f"{self._network}.{last}"

    def add_node(
        self,
        number: int,
        form: Callable[[str, str], dict[str, Any]] = default,
        hostname: str | None = None,
        **more: Any,
    ) -> Path:
        """Write a node file whose address is `address(number)`; by default its host is `sqdn-<number>`."""
        document = form(hostname or f"sqdn-{number:03d}", self.address(number)) | more
        return self.put_node(f"node_{number:02d}.json", json.dumps(document))

    def put_node(self, name: str, content: str | bytes) -> Path:
        """Put whatever content under a node file's name, in one step."""
        draft = self.drafts / name
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        return draft.rename(self.nodes / name)

    def write_script(self, text: str) -> None:
        """Write the deployment script. Each of its runs leaves a line in `runs`."""
        counted = f'echo "${{PINAKAD_DEPLOYMENT_ID:-by-hand}}" >> "{self.root}/runs"\n'
        self.script.write_text("#!/bin/bash\n" + counted + text + "\n", encoding="utf-8")
        self.script.chmod(0o755)

    def runs(self) -> list[str]:
        """Return the ids of the deployments whose script has begun."""
        file = self.root / "runs"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def gate(self) -> tuple[str, Callable[[], None]]:
        """Return a line for the script at which it waits, and what lets it go on."""
        path = self.root / f"gate-{len(self._gates)}"
        os.mkfifo(path)
        descriptor = os.open(path, os.O_RDWR)
        self._gates.append(descriptor)
        return f'read -r _ < "{path}"', lambda: bool(os.write(descriptor, b"go\n")) or None

    # --- the daemon

    def start(self, *, ready: bool = True, **environment: str) -> None:
        """Start the daemon; `ready`: return when it has said so."""
        self.notify.forget()
        own = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "STATE_DIRECTORY": str(self.state),
            "RUNTIME_DIRECTORY": str(self.runtime),
            "NOTIFY_SOCKET": self.notify.name,
            "WATCHDOG_USEC": "3000000",
        }
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.as_who, sys.executable, *self.program, "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=own | environment,
                cwd="/",
            )
        if ready:
            self.wait(lambda: self.notify.count("READY=1") or self.daemon_code() is not None, "READY=1")
            assert self.daemon_code() is None, f"the daemon ended: {self.log_text()}"

    def daemon_code(self) -> int | None:
        """Return the daemon's exit code, None while it lives."""
        assert self.daemon is not None
        return self.daemon.poll()

    def stop(self) -> float:
        """Stop the daemon as systemd does; return how many seconds it took."""
        assert self.daemon is not None
        began_s = time.monotonic()
        self.daemon.terminate()
        assert self.daemon.wait(DEADLINE_S) == 0, self.log_text()
        return time.monotonic() - began_s

    def kill(self) -> None:
        """Kill the daemon as a crash does."""
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(DEADLINE_S)

    def reload(self) -> None:
        """Make the daemon read its configuration again, and wait until it has."""
        assert self.daemon is not None
        told = self.notify.count("READY=1")
        self.daemon.send_signal(signal.SIGHUP)
        self.wait(lambda: self.notify.count("READY=1") > told, "READY=1 after a reload")

    def log_text(self) -> str:
        """Return all that the daemon has logged."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def close(self) -> None:
        """End whatever still runs: daemon, supervisors, scripts and nodes. No process of another world."""
        if self.daemon is not None:
            self.kill()
        end_all_that_mention(str(self.root))
        for descriptor in self._gates:
            os.close(descriptor)
        self.notify.close()

    # --- requests and answers

    def touch(self) -> None:
        """Make a request as `touch` does, or touch the one that is there."""
        (self.markers / REQUEST).touch()

    def write(self, content: str | bytes = "") -> None:
        """Make a request as a shell's `>` does."""
        (self.markers / REQUEST).write_bytes(content.encode() if isinstance(content, str) else content)

    def rename_in(self, content: str = "") -> None:
        """Make a request aside, on the same file system, and rename it in."""
        draft = self.drafts / REQUEST
        draft.write_text(content, encoding="utf-8")
        draft.rename(self.markers / REQUEST)

    def link_in(self, content: str = "") -> None:
        """Make a request aside and link it in."""
        draft = self.drafts / REQUEST
        draft.write_text(content, encoding="utf-8")
        os.link(draft, self.markers / REQUEST)
        draft.unlink()

    def cancel(self) -> None:
        """Ask to cancel."""
        (self.markers / CANCEL).touch()

    def answer(self, deadline_s: float = DEADLINE_S) -> Report:
        """Wait for the next answer: one of another deployment than the last that was returned here."""
        report = self.wait(self._new_answer, "an answer", deadline_s)
        self._seen = report.id
        return report

    def serve(self, deadline_s: float = DEADLINE_S) -> Report:
        """Touch a request; return the answer once the request is gone."""
        self.touch()
        report = self.answer(deadline_s)
        self.wait_idle()
        return report

    def wait_idle(self) -> None:
        """Wait until no request is there and nothing is left to do for any deployment."""
        self.wait(lambda: not self.requested() and not self._unanswered(), "the request gone and answered")

    def requested(self) -> bool:
        """Tell whether a request is there."""
        return os.path.lexists(self.markers / REQUEST)

    def deployments(self) -> list[str]:
        """Return the ids of all deployments, oldest first."""
        folder = self.state / "deployments"
        names = [entry.name for entry in folder.iterdir()] if folder.exists() else []
        return sorted(name for name in names if not name.startswith("."))  # one that is being removed is none

    def folder(self, identifier: str | None = None) -> Path:
        """Return a deployment's folder, by default the latest one's."""
        return self.state / "deployments" / (identifier or self.deployments()[-1])

    def report(self, identifier: str | None = None) -> Report:
        """Return a deployment's report, by default the latest one's, as it is written down now."""
        return checked_report((self.folder(identifier) / "report.json").read_bytes())

    def status(self) -> Status:
        """Return status.json."""
        return checked_status((self.runtime / "status.json").read_bytes())

    def wait(self, look: Callable[[], _Found], what: str, deadline_s: float = DEADLINE_S) -> _Found:
        """Look until there is something, and return it; fail at the deadline with the daemon's log."""
        ends_s = time.monotonic() + deadline_s
        while not (found := look()):
            assert time.monotonic() < ends_s, f"no {what} within {deadline_s:g} s\n{self.log_text()[-6000:]}"
            time.sleep(0.01)
        return found

    def wait_for_log(self, text: str, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the daemon has logged the text."""
        self.wait(lambda: text in self.log_text(), f"'{text}' in the log", deadline_s)

    def wait_for_node(self, number: int, look: Callable[[Any], object]) -> None:
        """Wait until status.json shows what is looked for at the node `address(number)`."""

        def shows() -> bool:
            deployment = self.status().deployment
            nodes = deployment.nodes if deployment else []
            return any(node.address == self.address(number) and look(node) for node in nodes)

        self.wait(shows, f"such a state of node {number}")

    def _new_answer(self) -> Report | None:
        found = ANSWERS & set(os.listdir(self.markers))  # noqa: PTH208 - one look at the folder, not two
        assert len(found) < 2, "both answers at once"
        if not found:
            return None
        try:
            report = checked_report((self.markers / found.pop()).read_bytes(), answer=True)
        except FileNotFoundError:  # a new run has just removed it
            return None
        return report if report.id != self._seen else None

    def _unanswered(self) -> list[str]:
        return [name for name in self.deployments() if not (self.folder(name) / "answered").exists()]


def write_key(path: Path) -> str:
    """Write an ed25519 private key and return the line for authorized_keys."""
    key = Ed25519PrivateKey.generate()
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
