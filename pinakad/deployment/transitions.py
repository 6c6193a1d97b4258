"""Which phases does a run go through, and what does each step write into its report?

The law:

    validating -> launching -> waiting -> polling -> finishing -> finished
        |             |           |          |           ^
        `-------------+-----------+----------+-----------'  a verdict

Each phase is entered from the one before it, and `finishing` from any of the first four, by a verdict. Waiting begins
after the launch is written down. Nothing changes a finished report.

Each function takes a report and returns the next one. Where the report's phase does not allow the step,
IllegalTransitionError is raised, and the report is as it was: reports are frozen.
"""

from collections.abc import Sequence

from pinakad.deployment.verdict import Verdict
from pinakad.problems import Code, Problem, Spot
from pinakad.report.document import Report, ScriptPart
from pinakad.report.node import NodeReport, SupersededPart, counts_of
from pinakad.report.vocabulary import Phase, ScriptState
from pinakad.script.outcome import Ended, Started
from pinakad.times import Moment, rfc3339

DURING_LAUNCH = (Phase.LAUNCHING, Phase.WAITING, Phase.POLLING)
BEFORE_VERDICT = (Phase.VALIDATING, *DURING_LAUNCH)
NOT_OVER = (*BEFORE_VERDICT, Phase.FINISHING)


class IllegalTransitionError(Exception):
    """A step that the report's phase does not allow: a bug of pinakad."""


def superseded(report: Report, entries: Sequence[SupersededPart]) -> Report:
    """Note which node files do not count."""
    _require(report, "superseded", Phase.VALIDATING)
    return report.but(superseded=list(entries))


def accepted(report: Report, nodes: Sequence[NodeReport], problems: Sequence[Problem]) -> Report:
    """Take over the nodes, with the warnings of their files."""
    _require(report, "accepted", Phase.VALIDATING)
    return warned(report, problems).but(nodes=list(nodes), counts=counts_of(nodes))


def script_prepared(report: Report, part: ScriptPart, problems: Sequence[Problem]) -> Report:
    """Note which script is to run."""
    _require(report, "script_prepared", *BEFORE_VERDICT)
    return warned(report, problems).but(script=part)


def asked(report: Report, nodes: Sequence[NodeReport]) -> Report:
    """Note what the nodes answered before anything was done to them."""
    _require(report, "asked", Phase.VALIDATING)
    return report.but(nodes=list(nodes))


def launching(report: Report) -> Report:
    """Enter `launching`: all checks are passed."""
    _require(report, "launching", Phase.VALIDATING)
    return report.but(phase=Phase.LAUNCHING)


def script_started(report: Report, started: Started, *, asked_s: float | None) -> Report:
    """Note which process runs the script. `asked_s`: when the nodes were asked for their boot ids (boot clock).

    What the nodes answered after somebody else had started the script proves nothing about a reboot.
    """
    _require(report, "script_started", *DURING_LAUNCH)
    script = report.script
    if script is None:
        raise IllegalTransitionError("script_started: the report names no script")
    if started.adopted:
        report = warned(report, [_adopted(started)])
        if asked_s is None or started.at.boot_s < asked_s:
            report = report.but(nodes=[node.but(boot_id_before=None) for node in report.nodes])
    script = script.but(
        pid=started.script_pid or None,
        start_ticks=started.script_start_ticks,
        supervisor_pid=started.supervisor_pid or None,
        supervisor_start_ticks=started.supervisor_start_ticks,
        adopted=started.adopted,
        state=ScriptState.RUNNING,
        started_at=rfc3339(started.at.wall_s),
    )
    return report.but(script=script)


def launched(report: Report, at: Moment) -> Report:
    """Note the moment of the launch, which all slots count from."""
    _require(report, "launched", Phase.LAUNCHING)
    clock = report.clock.but(boot_id=at.boot_id, launched_boot_s=at.boot_s, launched_at=rfc3339(at.wall_s))
    return report.but(clock=clock)


def waiting(report: Report) -> Report:
    """Enter `waiting`: the launch is over, and polling has not begun."""
    _require(report, "waiting", Phase.LAUNCHING)
    if report.clock.launched_boot_s is None:
        raise IllegalTransitionError("waiting: the report has no moment of the launch")
    return report.but(phase=Phase.WAITING)


def polling(report: Report, wall_s: float) -> Report:
    """Enter `polling`, at this moment of the wall clock (seconds since 1970)."""
    _require(report, "polling", Phase.WAITING)
    return report.but(phase=Phase.POLLING, polling_at=rfc3339(wall_s))


def polled(report: Report, nodes: Sequence[NodeReport]) -> Report:
    """Take over the nodes with the present state of their polling, and count them."""
    _require(report, "polled", *DURING_LAUNCH)
    return report.but(nodes=list(nodes), counts=counts_of(nodes))


def script_ended(report: Report, ended: Ended) -> Report:
    """Note how the script ended, with the warnings that an earlier daemon has not noted already."""
    _require(report, "script_ended", *DURING_LAUNCH, Phase.FINISHING)
    if report.script is not None:
        script = report.script.but(
            state=ended.state,
            exit_code=ended.code,
            signal=ended.signal,
            finished_at=rfc3339(ended.at.wall_s) if ended.at else None,
            adopted=ended.adopted or report.script.adopted,
        )
        report = report.but(script=script)
    for warning in (*ended.warnings, *_dropped(ended)):
        if warning not in report.problems:
            report = warned(report, [warning])
    return report


def resumed_late(report: Report) -> Report:
    """Count a restart of the daemon after the end of polling."""
    _require(report, "resumed_late", *DURING_LAUNCH)
    return report.but(clock=report.clock.but(late_resumes=report.clock.late_resumes + 1))


def decided(report: Report, verdict: Verdict, warnings: Sequence[Problem]) -> Report:
    """Enter `finishing`: the verdict is known, and not carried out yet."""
    _require(report, "decided", *BEFORE_VERDICT)
    return warned(report, warnings).but(
        phase=Phase.FINISHING, outcome=verdict.outcome, reason=verdict.reason, message=verdict.message
    )


def script_left_running(report: Report, text: str) -> Report:
    """Add to the message that the script, or what it started, could not be ended."""
    _require(report, "script_left_running", Phase.FINISHING)
    return report.but(message=f"{report.message}; {text}")


def finished(report: Report, wall_s: float) -> Report:
    """Enter `finished`: the verdict is carried out, at this moment of the wall clock (seconds since 1970)."""
    _require(report, "finished", Phase.FINISHING)
    return report.but(phase=Phase.FINISHED, finished_at=rfc3339(wall_s))


def warned(report: Report, problems: Sequence[Problem]) -> Report:
    """Add warnings, or the errors that refuse the request."""
    _require(report, "warned", *NOT_OVER)
    return report.but(problems=[*report.problems, *problems])


def _require(report: Report, step: str, *allowed: Phase) -> None:
    if report.phase not in allowed:
        raise IllegalTransitionError(f"{step}: not in phase {report.phase}")


def _adopted(started: Started) -> Problem:
    text = f"process {started.script_pid} ran the script, and pinakad did not start it: its exit status is unknown"
    return Spot("").warning(Code.SCRIPT_ADOPTED, text)


def _dropped(ended: Ended) -> list[Problem]:
    text = f"{ended.dropped_bytes} bytes of the script's output were dropped"
    return [Spot("").warning(Code.OUTPUT_DROPPED, text)] if ended.dropped_bytes else []
