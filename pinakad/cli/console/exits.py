"""Which exit code stands for which verdict? The same ones in every command that prints one."""

from collections.abc import Mapping

from pinakad.cli.console.session import EXIT_USAGE, FaultError
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome

EXIT_COMPLETED = 0
EXIT_FAILED = 1
EXIT_CANCELLED = 3
EXIT_TIMED_OUT = 4
EXIT_NOTHING = 5
EXIT_NO_DAEMON = 6

_OF = {Outcome.COMPLETED: EXIT_COMPLETED, Outcome.FAILED: EXIT_FAILED, Outcome.CANCELLED: EXIT_CANCELLED}
_MEANING = {
    EXIT_COMPLETED: "the deployment completed",
    EXIT_FAILED: "it failed, or it could not be asked for (stderr says why)",
    EXIT_USAGE: "wrong usage or configuration",
    EXIT_CANCELLED: "it was cancelled",
    EXIT_TIMED_OUT: "it was not over within --timeout",
    EXIT_NOTHING: "there is nothing to wait for",
    EXIT_NO_DAEMON: "no daemon runs, after 10 s of grace for a restart",
}


class NothingError(FaultError):
    """There is nothing that could be waited for, cancelled or tried again."""

    exit_code = EXIT_NOTHING


class TimedOutError(FaultError):
    """There was no verdict in the time that was given."""

    exit_code = EXIT_TIMED_OUT


class NoDaemonError(FaultError):
    """Nobody is there who could give a verdict."""

    exit_code = EXIT_NO_DAEMON


def exit_code_of(report: Report) -> int:
    """Return the exit code of a deployment: of its verdict, or that it is not over."""
    return _OF[report.outcome] if report.outcome and report.is_finished else EXIT_TIMED_OUT


def exit_codes(changed: Mapping[int, str] | None = None, *, without: tuple[int, ...] = ()) -> str:
    """Return the paragraph of a command's help; `changed`: what a code means there, `without`: what cannot be."""
    lines = [f"  {code}  {text}" for code, text in (_MEANING | dict(changed or {})).items() if code not in without]
    return "\n".join(("\b", "Exit codes:", *lines, "  130  stopped by Ctrl-C"))
