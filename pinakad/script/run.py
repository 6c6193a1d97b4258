"""What all parts of one script's run share: its files, its settings, who starts it and who else runs it."""

from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Any

from pinakad.config import ScriptSettings
from pinakad.events import Event, fields
from pinakad.linux import limits
from pinakad.linux.clock import boot_id
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.script.environment import environment
from pinakad.script.foreign_runs import ForeignRuns
from pinakad.script.launch_record import LaunchRecord
from pinakad.script.outcome import ScriptStatus
from pinakad.script.runners import Runner
from pinakad.script.supervisor import Spec


@dataclass
class ScriptRun:
    """One run. `sha256`: of the script as it was checked, None before that. `resumed`: an earlier daemon's run."""

    folder: Path
    identifier: str
    path: Path
    work_dir: Path
    settings: ScriptSettings
    record: LaunchRecord
    foreign_runs: ForeignRuns
    runner: Runner
    sha256: str | None = None
    resumed: bool = False

    @property
    def nodes_dir(self) -> str:
        """The folder of the snapshot; the script has it in its environment, which is its mark."""
        return str(self.folder / "nodes")

    @property
    def refuses_foreign(self) -> bool:
        """Tell whether a run that somebody else started fails the deployment."""
        return self.settings.foreign == "refuse" and self.settings.launch

    def status(self) -> ScriptStatus:
        """Return how the script is now."""
        return self.record.status()

    def already_running(self, pid: int) -> Refusal:
        """Return the refusal because of a foreign run."""
        text = f"'{self.path}' is already run by process {pid}, which pinakad did not start"
        return Refusal(Reason.SCRIPT_ALREADY_RUNNING, text)

    def spec(self) -> Spec:
        """Return what the supervisor needs to know."""
        return Spec(
            identifier=self.identifier,
            folder=str(self.folder),
            script=str(self.path),
            cwd=str(self.work_dir),
            environment=environment(self.identifier, Path(self.nodes_dir), self.work_dir),
            output=self.settings.output,
            log_max_bytes=self.settings.log_max_bytes,
            boot_id=boot_id(),
            open_files=limits.inherited()[0],
        )

    def fields(self, event: Event) -> dict[str, Any]:
        """Return the fields of a log record about this run."""
        return fields(event, deployment_id=self.identifier)


def checksum(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal, "" for anything else. Raises OSError."""
    if not path.is_file():
        path.stat()
        return ""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
