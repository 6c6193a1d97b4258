"""How a script was started, and how it ended."""

from dataclasses import dataclass
from enum import Enum

from pinakad.problems import Problem
from pinakad.report.vocabulary import ScriptState
from pinakad.times import Moment


@dataclass(frozen=True, slots=True)
class Started:
    """A script that was started: its supervisor, its process, and when.

    `adopted`: somebody else started it, so that it has no supervisor; its end can be seen, its exit status cannot.
    """

    supervisor_pid: int
    script_pid: int
    script_start_ticks: int | None
    at: Moment
    supervisor_start_ticks: int | None = None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a script ended. Where `state` is `exited`, `at` is when, and one of `code` and `signal` is set.

    Neither is set where it was `adopted`: only its parent learns its exit status.
    """

    state: ScriptState
    code: int | None = None
    signal: int | None = None
    at: Moment | None = None
    dropped_bytes: int = 0
    adopted: bool = False
    not_run: str = ""
    """Why its process never became the script; "" where it did."""
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Running:
    """The supervisor lives."""

    started: Started


@dataclass(frozen=True, slots=True)
class Over:
    """The script was started and has ended, one way or another."""

    started: Started
    ended: Ended


class NotRun(Enum):
    """The script does not run, and: nothing shows that it ever did; a tombstone says that it never will."""

    YET = "yet"
    EVER = "ever"


ScriptStatus = NotRun | Running | Over
