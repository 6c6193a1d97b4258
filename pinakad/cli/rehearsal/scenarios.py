"""Which lives can a simulated node have, by name?"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pinakad.cli.console.session import WrongUseError
from pinakad.cli.rehearsal.sandbox import DEMO_NODES, NodeSpec
from pinakad.simulate.scenario import Scenario

DEMO = "demo"
MAX_NODES = 1000
_PER_NET = 250
SCENARIOS = {
    "ordinary": (Scenario(), "reboots"),
    "slow": (Scenario(down_s=15), "is down for long"),
    "never-back": (Scenario(never_back=True), "never comes back"),
    "back-twice": (Scenario(again_after_s=3), "comes back, and goes down once more"),
    "wrong-host": (Scenario(hostname="somebody-else"), "comes back under another name"),
    "installer-first": (Scenario(installer_s=5, new_host_key=True), "a live installer answers first"),
    "late-keys": (Scenario(late_key_s=8), "comes back, its key is installed later"),
    "dripping-banner": (Scenario(dripping_s=8), "comes back, its sshd hangs in the banner"),
    "other-host-key": (Scenario(new_host_key=True), "comes back reinstalled, with another host key"),
    "no-reboot": (Scenario(ignores_orders=True), "does not reboot at all"),
}


def table() -> str:
    """Return the names and what they mean, for `--help`."""
    names = {name: about for name, (_, about) in SCENARIOS.items()} | {DEMO: "the nodes of pinakactl demo"}
    return "\n".join(("\b", "Lives:", *(f"  {name:<16} {about}" for name, about in names.items())))


def cast(words: Sequence[str], down_s: float | None, trouble_s: float | None) -> list[NodeSpec]:
    """Return the nodes that `NAME` and `NAME=NUMBER` ask for, each on an address of its own. Raises WrongUseError."""
    wanted = [_parsed(word) for word in words]
    if any(name == DEMO for name, _ in wanted):
        if len(wanted) > 1:
            raise WrongUseError(f"'{DEMO}' stands alone: it names its nodes itself")
        return list(DEMO_NODES)
    total = sum(number for _, number in wanted)
    if total > MAX_NODES:
        raise WrongUseError(f"cannot simulate {total} nodes, {MAX_NODES} are the most; they share this machine")
    places = iter(f"127.0.{2 + place // _PER_NET}.{1 + place % _PER_NET}" for place in range(total))
    return [
        NodeSpec(hostname, next(places), _timed(SCENARIOS[name][0], down_s, trouble_s), SCENARIOS[name][1])
        for name, hostname in _hostnames(wanted)
    ]


def _parsed(word: str) -> tuple[str, int]:
    name, _, number = word.partition("=")
    if name not in SCENARIOS and name != DEMO:
        raise WrongUseError(f"cannot find a life '{name}'; there are {', '.join((*SCENARIOS, DEMO))}")
    if number and not (number.isascii() and number.isdigit() and int(number)):
        raise WrongUseError(f"cannot simulate '{word}': write {name} or {name}=3")
    return name, int(number or 1)


def _hostnames(wanted: list[tuple[str, int]]) -> Iterator[tuple[str, str]]:
    counts = dict.fromkeys((name for name, _ in wanted), 0)
    for name, number in wanted:
        for _ in range(number):
            counts[name] += 1
            yield name, f"{name}-{counts[name]:02d}"


def _timed(scenario: Scenario, down_s: float | None, trouble_s: float | None) -> Scenario:
    if down_s is not None:
        scenario = replace(scenario, down_s=down_s)
    if trouble_s is not None:
        scenario = replace(
            scenario,
            installer_s=trouble_s if scenario.installer_s else 0,
            dripping_s=trouble_s if scenario.dripping_s else 0,
            late_key_s=trouble_s if scenario.late_key_s else 0,
            again_after_s=trouble_s if scenario.again_after_s else 0,
        )
    return scenario
