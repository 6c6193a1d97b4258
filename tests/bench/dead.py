"""Targets 1, 2 and 6: what do nodes cost that are not there, or that hang?"""

from collections.abc import Sequence

from nodes import running
from scene import DEAD_PORT, MUTE_PORT, UP_PORT, CheckContext, black_hole, client
from table import Row, median_of

EACH_S = 5.0
FEW = 1000
TARGET = 10_000


def refused(scene: CheckContext) -> list[Row]:
    """Target 1: nobody listens."""
    return median_of(scene.times, lambda: _dead(scene, scene.size(10_000), "refused", EACH_S, 4, ()))


def hanging(scene: CheckContext) -> list[Row]:
    """Target 2: nothing answers, or a banner and then nothing; few open files."""
    count = scene.size(10_000)
    rows = median_of(scene.times, lambda: _dead(scene, count, "that never answer", EACH_S, 3, black_hole()))
    return rows + median_of(scene.times, lambda: _mute(scene, count)) + _few_files(scene, scene.size(10_000))


def many(scene: CheckContext) -> list[Row]:
    """Target 6: 50,000 nodes, every 30 s."""
    return _dead(scene, scene.size(50_000), "refused", 30.0, 2, ())


def _dead(
    scene: CheckContext, count: int, how: str, interval_s: float, rounds: int, prefix: Sequence[str]
) -> list[Row]:
    place = {"interval_s": interval_s, "rounds": rounds}
    floor = client("epoll", prefix=prefix, count=count, network=30, port=DEAD_PORT, **place)
    ours = client("poller", prefix=prefix, groups=[[count, 30, DEAD_PORT]], key=scene.key, **place)
    span_s = interval_s * rounds
    # what hangs for 5 s at an interval of 5 s is busy in its next slot, which is then skipped
    wanted = count * (rounds + 1) // 2 if prefix else count * rounds
    what = f"{count:,} nodes {how}, every {interval_s:g} s"
    each = ours["cpu_s"] / ours["attempts"], floor["cpu_s"] / floor["attempts"]
    ratio, memory = ("ratio <= 2", "<= 150") if count <= TARGET else ("", "")
    return [
        Row(f"{what}: CPU an attempt", each[0] * 1e6, each[1] * 1e6, "us", "epoll loop", ratio),
        Row("- of one core", ours["cpu_s"] / span_s * 100, floor["cpu_s"] / span_s * 100, "%", "epoll loop"),
        Row("- memory at most", ours["rss_mb"], None, "MB", bound=memory),
        Row("- lateness, p99", ours["late_p99_s"] * 1000, None, "ms", bound="< 500"),
        Row("- attempts made of those due", ours["attempts"] / wanted * 100, None, "%", bound=">= 100"),
    ]


def _mute(scene: CheckContext, count: int) -> list[Row]:
    with running("up", UP_PORT, scene.folder), running("mute", MUTE_PORT):
        groups = [[count // 2, 31, MUTE_PORT], [100, 30, UP_PORT], [count - count // 2, 40, MUTE_PORT]]
        found = client("poller", groups=groups, key=scene.key, interval_s=EACH_S, rounds=4)
    what = f"{count:,} nodes that stall after the banner"
    return [
        Row(f"{what}: the slowest of 100 healthy ones among them, from its slot", found["slowest_s"], None, "s",
            bound="<= 5 (one interval)"),
        Row("- healthy ones that are up", found["up"], None, "of 100", bound="100"),
        Row("- CPU of one core", found["cpu_s"] / 20 * 100, None, "%"),
        Row("- memory at most", found["rss_mb"], None, "MB", bound="<= 150"),
    ]  # fmt: skip


def _few_files(scene: CheckContext, count: int) -> list[Row]:
    """Nodes that never answer hold an open file for 5 s each: fewer files than nodes make them take turns."""
    prefix = ["prlimit", f"--nofile={FEW}:{FEW}", *black_hole()]
    groups, rounds = [[count, 30, DEAD_PORT]], 2 * count // FEW
    found = client("poller", prefix=prefix, groups=groups, key=scene.key, interval_s=EACH_S, rounds=max(rounds, 4))
    return [
        Row(f"{count:,} that never answer, {FEW:,} open files: most attempts at a node, less fewest", found["spread"],
            None, "", bound="<= 1"),
        Row("- warnings about it", len(found["warnings"]), None, "", bound="1"),
    ]  # fmt: skip
