"""All nodes, in waves: the next one begins when every node of the last one was confirmed from outside."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pinakad.config import Config
from pinakad.provision.run_node import NodeRun, Site, Target, say
from pinakad.provision.waves import waves_of

AT_ONCE = 32
CONFIRM = "/var/lib/pinakad-node/agent confirm"
_CHECK_EVERY_S = 2.0
BOOT_LIMIT_S = 900.0
"""Real metal may need that long to get to the begin of its deadline."""


def why_not(settings: Config) -> str:
    """Return why no node may be changed, "" where nodes may be."""
    if CONFIRM not in settings.poll.ready_command:
        return (
            f'nobody would confirm a node: set [poll] ready_command = "sudo -n sh {CONFIRM}", or every node goes back'
        )
    return ""


def provision(site: Site, targets: Sequence[Target]) -> bool:
    """Configure the nodes; return whether each is unchanged or was told to reboot."""
    runs = [NodeRun(site, target) for target in targets]
    waves = waves_of(len(runs), site.settings.provision.waves)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="node") as pool:
        for number, wave in enumerate(waves, 1):
            chosen = [runs[place] for place in wave]
            list(pool.map(NodeRun.run, chosen))
            is_last = number == len(waves)
            if not is_last and not _confirmed(site, pool, chosen):
                left = sum(len(later) for later in waves[number:])
                text = f"wave {number} of {len(waves)} was not confirmed: {left} nodes are left as they are"
                say("", "waves", ok=False, changed=False, ms=0, message=text)
                return False
    return all(run.outcome in ("unchanged", "rebooting") for run in runs)


def _confirmed(site: Site, pool: ThreadPoolExecutor, wave: Sequence[NodeRun]) -> bool:
    """Wait until every node of a wave was confirmed; one that failed, or is late, ends it."""
    if any(run.outcome == "failed" for run in wave):
        return False
    left = [run for run in wave if run.outcome == "rebooting"]
    ends_s = time.monotonic() + BOOT_LIMIT_S + site.settings.provision.deadline_s
    while left and time.monotonic() < ends_s:
        time.sleep(_CHECK_EVERY_S)
        states = list(pool.map(NodeRun.trial_state, left))
        if "rolled_back" in states:
            return False
        left = [run for run, state in zip(left, states, strict=True) if state != "confirmed"]
    return not left
