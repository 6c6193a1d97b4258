"""What is on a node before anything is changed, and does that prevent it?"""

import json
from dataclasses import dataclass
from typing import Any

from pinakad.nodes.node_file import NodeFile
from pinakad.provision.links import links_of

COMMAND = r"""
say() { printf '%s=%s\n' "$1" "$2"; }
say uid "$(id -u)"
say hostname "$(uname -n)"
say machine_id "$(cat /etc/machine-id 2>/dev/null)"
say free_kb "$(df -Pk /var/lib | awk 'NR == 2 { print $4 }')"
say netplan "$([ -x /usr/sbin/netplan ] && ls /etc/netplan/*.yaml >/dev/null 2>&1 && echo yes)"
say networkd "$(systemctl is-enabled systemd-networkd 2>/dev/null)"
say networking "$(systemctl is-enabled networking 2>/dev/null)"
say network_manager "$(systemctl is-active NetworkManager 2>/dev/null)"
for link in /sys/class/net/*; do
    name=${link##*/}
    [ -e "$link/address" ] || continue
    own=$(cat "$link/address")
    for bond in /proc/net/bonding/*; do
        [ -e "$bond" ] || continue
        found=$(awk -v name="$name" '/^Slave Interface: / { inside = $3 == name }
            inside && /^Permanent HW addr: / { print $4 }' "$bond")
        [ -z "$found" ] || own=$found
    done
    say "link.$name" "$own"
done
[ ! -e /var/lib/pinakad-node/agent ] || say agent "$(sh /var/lib/pinakad-node/agent status 2>/dev/null)"
"""
"""Run by /bin/sh as root. A slave of a bond has lost its address to the bond: the bond's driver still knows it."""
LEAST_FREE_KB = 20_000


@dataclass(frozen=True)
class NodeSurvey:
    """What a node has told. `links`: interface -> permanent hardware address; `agent`: its status, {} for none."""

    values: dict[str, str]
    links: dict[str, str]
    agent: dict[str, str]

    @property
    def has_netplan(self) -> bool:
        """Whether its network is configured by netplan."""
        return self.values.get("netplan") == "yes"


def survey_of(text: str) -> NodeSurvey:
    """Read what COMMAND has printed: any text, as a node may print anything."""
    pairs = (line.partition("=") for line in text.splitlines())
    values = {name: value.strip() for name, found, value in pairs if found}
    links = {name.removeprefix("link."): value for name, value in values.items() if name.startswith("link.")}
    try:
        agent: Any = json.loads(values.get("agent", "{}") or "{}")
    except ValueError:
        agent = {}
    told = {str(name): str(value) for name, value in agent.items()} if isinstance(agent, dict) else {}
    return NodeSurvey(values, links, told)


def obstacles(survey: NodeSurvey, node: NodeFile, *, tagged: bool) -> list[str]:
    """Return why nothing may be changed on the node: a sentence each."""
    found = []
    if survey.values.get("uid") != "0":
        found.append("no commands can be run there as root: the account needs `sudo -n` without a password")
    if survey.values.get("network_manager") == "active":
        found.append("its network is NetworkManager's: disable that, and enable systemd-networkd")
    elif not survey.has_netplan and survey.values.get("networkd") != "enabled":
        own = "ifupdown (networking.service)" if survey.values.get("networking") == "enabled" else "unknown"
        found.append(f"its network is configured by {own}: only netplan and systemd-networkd can be changed so far")
    missing = [name for name in _wanted(node, tagged=tagged) if name not in survey.links]
    if missing:
        found.append(f"it has no interface {', '.join(missing)}; it has {', '.join(sorted(survey.links)) or 'none'}")
    free = survey.values.get("free_kb", "")
    if free.isdigit() and int(free) < LEAST_FREE_KB:
        found.append(f"only {free} KiB are free in /var/lib")
    if survey.agent.get("state") == "trial":
        found.append(f"the trial {survey.agent.get('id')} is open there: confirm it, or wait for its end")
    return found


def _wanted(node: NodeFile, *, tagged: bool) -> list[str]:
    links, _ = links_of("", node, tagged=tagged)
    physical = [name for link in links for name in (link.slaves if link.is_bond else [link.name])]
    return list(dict.fromkeys(physical))
