"""The deployment script: launched exactly once, found again after any restart, waited for, ended.

The files that its supervisor leaves (`started`, its lock, `exit`) say how it is: the law is in `LaunchRecord.status`.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pinakad.config import ScriptSettings
from pinakad.printable import cause_of
from pinakad.problems import Code, Problem, Spot
from pinakad.report.document import ScriptPart
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.script.ending import Ending
from pinakad.script.environment import make_executable, unreadable
from pinakad.script.foreign_runs import ForeignRuns
from pinakad.script.launch import Launch
from pinakad.script.launch_record import LaunchRecord
from pinakad.script.outcome import ScriptStatus, Started
from pinakad.script.output import LOG
from pinakad.script.permissions import refusal
from pinakad.script.run import ScriptRun, checksum
from pinakad.script.runners import Runner, runner_for


class ScriptOnDisk:
    """The script of one deployment, whose folder has the supervisor's files.

    `expected`: the report's entry, where the run is an earlier daemon's: what it names is what runs. `seen`: what that
    daemon knew of the start. `runner`: by default, as it is set.
    """

    def __init__(
        self,
        folder: Path,
        identifier: str,
        path: Path,
        work_dir: Path,
        settings: ScriptSettings,
        runner: Runner | None = None,
        *,
        expected: ScriptPart | None = None,
        seen: Started | None = None,
    ) -> None:
        self._run = ScriptRun(
            folder,
            identifier,
            Path(expected.path) if expected else path,
            Path(expected.work_dir) if expected and expected.work_dir else work_dir,
            settings,
            LaunchRecord(folder, identifier, seen),
            ForeignRuns(Path(expected.path) if expected else path, folder.parent),
            runner or runner_for(settings, identifier),
            sha256=expected.sha256 if expected else None,
            resumed=expected is not None,
        )
        self._launch = launch = Launch(self._run)
        ending = Ending(self._run, launch)
        self.launch, self.appears = launch.launch, launch.appears
        self.watch_for_foreign_run = launch.watch_for_foreign_run
        self.ended, self.has_ended, self.end = ending.ended, ending.has_ended, ending.end

    @property
    def path(self) -> Path:
        """The script's file."""
        return self._run.path

    def status(self) -> ScriptStatus:
        """Return how the script is now."""
        return self._run.status()

    def launch_prepared(self) -> AbstractContextManager[None]:
        """Prepare a launch that may never come, and discard at the end what it has not used."""
        return self._run.runner.start_prepared(self._run.spec()) if self._run.settings.launch else nullcontext()

    def problem(self) -> Refusal | None:
        """Return why it cannot be launched, None where it can, or where that is not ours to do."""
        if not self._run.settings.launch:
            return None
        try:
            self._run.sha256 = checksum(self._run.path)
            cause = unreadable(self._run.path) or (
                None if self._run.runner.makes_executable else refusal(self._run.path)
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            reason = Reason.SCRIPT_NOT_FOUND if missing else Reason.SCRIPT_NOT_RUNNABLE
            return Refusal(reason, f"cannot run '{self._run.path}': {cause_of(error)}")
        if cause:
            return Refusal(Reason.SCRIPT_NOT_RUNNABLE, f"cannot run '{self._run.path}': {cause}")
        others = self._run.foreign_runs.foreign() if self._run.settings.foreign == "refuse" else []
        return self._run.already_running(others[0][0]) if others else None

    def prepare(self) -> tuple[ScriptPart, list[Problem]]:
        """Set the executable bit where it is missing; return the report's entry, and warnings."""
        settings = self._run.settings
        part = ScriptPart(
            path=str(self._run.path),
            sha256=self._run.sha256 or "",
            work_dir=str(self._run.work_dir),
            runner=settings.runner,
            log=str(self._run.folder / LOG) if settings.output == "file" and settings.launch else None,
        )
        warnings = self._run.foreign_runs.leftovers()
        failure = None if self._run.runner.makes_executable or not settings.launch else make_executable(self._run.path)
        if failure is not None:
            text = f"cannot set the executable bit of '{self._run.path}': {failure}; it runs all the same"
            warnings.append(Spot(self._run.path.name).warning(Code.NOT_EXECUTABLE, text))
        return part, warnings
