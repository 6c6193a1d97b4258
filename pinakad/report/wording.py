"""What does the daemon do now, in one line for a person? ASCII, because systemd shows the line as STATUS=."""

from pinakad.polling.schedule import Schedule
from pinakad.polling.vocabulary import NodeState, Rung
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.times import wall_s

_RUNGS = {rung: step for step, rung in enumerate(Rung)}


def status_line(
    report: Report | None, slowest: NodeReport | None, schedule: Schedule | None, boot_s: float, wall_now_s: float
) -> str:
    """Return the state in words: what is running and how long it may take, or how the latest deployment ended.

    `slowest`: the node that is furthest from being up, None where all are.
    """
    if report is None:
        return "idle; no deployment yet"
    if report.is_finished:
        ago = ago_text(wall_now_s - (wall_s(report.finished_at) or wall_now_s))
        return f"idle; last deployment {outcome_text(report)} {ago}"
    if report.phase is Phase.POLLING:
        return f"polling: {polling_text(report, slowest, schedule, boot_s)}"
    if report.phase is Phase.WAITING and schedule is not None:
        left = duration_text(schedule.begins_s - boot_s)
        return f"waiting: polling of {report.counts.total} nodes begins in {left}"
    return f"{report.phase}: deployment {report.id}"


def outcome_text(report: Report) -> str:
    """Return `completed`, `cancelled`, or `failed (REASON)`."""
    if report.outcome is Outcome.FAILED:
        return f"failed ({report.reason})"
    return str(report.outcome)


def polling_text(report: Report, slowest: NodeReport | None, schedule: Schedule | None, boot_s: float) -> str:
    """Return e.g. `7 of 12 nodes up, attempt 14/120, 8 min left; slowest: sqdn-004 (refused)`."""
    counts = report.counts
    parts = [f"{counts.up} of {counts.total} nodes up"]
    if schedule is not None:
        parts.append(f"attempt {schedule.number(boot_s)}/{schedule.attempts}")
        left = schedule.ends_s
        parts.append("the script still runs" if left is None else f"{duration_text(left - boot_s)} left")
    return ", ".join(parts) + (
        f"; slowest: {slowest.hostname} ({slowest.reason or 'not asked yet'})" if slowest else ""
    )


def slowest_node(nodes: list[NodeReport]) -> NodeReport | None:
    """Return the node that is furthest from being up, None where all are."""
    return min((node for node in nodes if node.state is not NodeState.UP), key=trouble_of, default=None)


def trouble_of(node: NodeReport) -> tuple[int, int]:
    """Return what orders nodes by how far they are from being up: the fewest rungs first, then the most attempts."""
    return (-1 if node.last_rung is None else _RUNGS[node.last_rung], -node.attempts)


def duration_text(seconds: float) -> str:
    """Return a duration as people say it: `45 s`, `8 min`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 90:  # noqa: PLR2004 - a minute and a half
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - the same


def ago_text(seconds: float) -> str:
    """Return how long ago something was."""
    return "just now" if seconds < 5 else f"{duration_text(seconds)} ago"  # noqa: PLR2004 - nobody counts these
