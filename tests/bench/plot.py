"""Target 9: how does the cost grow with the work? Drawn with matplotlib."""

from pathlib import Path

from logins import POOL
from nodes import running
from scene import DEAD_PORT, UP_PORT, CheckContext, client

SIZES = (10, 100, 1000, 10_000)
THREADS_AT_MOST = 1000
ROUNDS = 4


def draw(scene: CheckContext, path: Path) -> None:
    """Measure 10 to 10,000 nodes and draw CPU and time, ours beside the others."""
    import matplotlib as mpl  # noqa: PLC0415 - nothing else needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the choice

    sizes = SIZES[:-1] if scene.quick else SIZES
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6))
    _lines(axes[0], "dead nodes: CPU a round", "CPU seconds", _dead(scene, sizes))
    logins = _logins(scene, sizes)
    _lines(axes[1], "logins: CPU", "CPU seconds", {name: [(n, cpu) for n, cpu, _ in at] for name, at in logins.items()})
    _lines(axes[2], "logins: time", "seconds", {name: [(n, wall) for n, _, wall in at] for name, at in logins.items()})
    figure.tight_layout()
    figure.savefig(path, dpi=70)


def _lines(axis: object, title: str, unit: str, lines: dict[str, list[tuple[int, float]]]) -> None:
    for name, points in lines.items():
        axis.loglog(*zip(*points, strict=True), marker="o", label=name)  # type: ignore[attr-defined]
    axis.set(title=title, xlabel="nodes", ylabel=unit)  # type: ignore[attr-defined]
    axis.legend(fontsize=8)  # type: ignore[attr-defined]


def _dead(scene: CheckContext, sizes: tuple[int, ...]) -> dict[str, list[tuple[int, float]]]:
    lines: dict[str, list[tuple[int, float]]] = {"pinakad": [], "epoll loop": []}
    for count in sizes:
        place = {"interval_s": 5.0, "rounds": ROUNDS}
        ours = client("poller", groups=[[count, 30, DEAD_PORT]], key=scene.key, **place)
        lines["pinakad"].append((count, ours["cpu_s"] / ROUNDS))
        floor = client("epoll", count=count, network=30, port=DEAD_PORT, **place)
        lines["epoll loop"].append((count, floor["cpu_s"] / ROUNDS))
    return lines


def _logins(scene: CheckContext, sizes: tuple[int, ...]) -> dict[str, list[tuple[int, float, float]]]:
    lines: dict[str, list[tuple[int, float, float]]] = {"pinakad": [], f"pool of {POOL}": [], "thread a node": []}
    for count in sizes:
        with running("up", UP_PORT, scene.folder):
            place = {"key": scene.key}
            groups = [[count, 52, UP_PORT]]
            ours = client("poller", groups=groups, interval_s=1.0, rounds=600, patient=True, **place)
            lines["pinakad"].append((count, ours["cpu_s"], ours["wall_s"]))
            pool = client("pool", count=count, network=50, port=UP_PORT, threads=POOL, **place)
            lines[f"pool of {POOL}"].append((count, pool["cpu_s"], pool["wall_s"]))
            if count <= THREADS_AT_MOST:
                each = client("threads", count=count, network=51, port=UP_PORT, **place)
                lines["thread a node"].append((count, each["cpu_s"], each["wall_s"]))
    return lines
