"""What did the bench find: rows of ours against the other, medians of several runs?"""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One line: `other` None where there is none to compare with, `bound` is what the figure must stay below."""

    what: str
    ours: float
    other: float | None
    unit: str
    against: str = ""
    bound: str = ""


def median_of(times: int, measure: Callable[[], Sequence[Row]]) -> list[Row]:
    """Measure several times, each pair in the same run, and return the medians."""
    runs = [list(measure()) for _ in range(times)]
    return [_middle([run[index] for run in runs]) for index in range(len(runs[0]))]


def _middle(rows: list[Row]) -> Row:
    first = rows[0]
    others = [row.other for row in rows if row.other is not None]
    ours = statistics.median(row.ours for row in rows)
    return Row(first.what, ours, statistics.median(others) if others else None, first.unit, first.against, first.bound)


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = ["| what | ours | the other | ratio | wanted |", "|---|---|---|---|---|"]
    for row in rows:
        other = "" if row.other is None else f"{_number(row.other)} {row.unit} ({row.against})"
        ratio = "" if not row.other else _number(row.ours / row.other)
        lines.append(f"| {row.what} | {_number(row.ours)} {row.unit} | {other} | {ratio} | {row.bound} |")
    return "\n".join(lines)


def machine() -> str:
    """Return what all this was measured on."""
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in cpus if line.startswith("model name")), "unknown CPU")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{len(os.sched_getaffinity(0))} cores ({model}), {memory:.0f} GB, Linux {platform.release()}, "
        f"Python {platform.python_version()}; the nodes on the same machine; load {load:.1f} before"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
