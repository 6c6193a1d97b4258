"""Is it known before anything is changed that a node cannot be configured, whatever it says of itself?"""

import subprocess

import pytest
from forms import bonds, default

from pinakad.nodes.node_file import NodeFile, read
from pinakad.provision.node_facts import COMMAND, obstacles, survey_of

SAID = """uid=0
hostname=sqdn-001
free_kb=900000
netplan=
networkd=enabled
networking=disabled
network_manager=inactive
link.lo=00:00:00:00:00:00
link.eth0=52:54:00:00:00:01
link.eth1=52:54:00:00:00:02
agent={"state": "confirmed", "id": "t1"}
"""


def node(form: object = default) -> NodeFile:
    found, _ = read("node_01.json", form("sqdn-001", "10.0.0.1"))  # type: ignore[operator]
    assert found is not None
    return found


def test_what_this_machine_says_is_understood() -> None:
    done = subprocess.run(["/bin/sh", "-c", COMMAND], capture_output=True, text=True, check=True, timeout=30)
    survey = survey_of(done.stdout)
    assert survey.values["uid"].isdigit()
    assert int(survey.values["free_kb"]) > 0
    assert "lo" in survey.links


def test_a_node_without_an_obstacle_has_its_hardware_addresses_and_its_agents_state() -> None:
    survey = survey_of(SAID)
    assert obstacles(survey, node(), tagged=True) == []
    assert survey.links["eth0"] == "52:54:00:00:00:01"
    assert survey.agent == {"state": "confirmed", "id": "t1"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("uid=0", "uid=1000", "`sudo -n`"),
        ("network_manager=inactive", "network_manager=active", "NetworkManager"),
        ("networkd=enabled\nnetworking=disabled", "networkd=disabled\nnetworking=enabled", "ifupdown"),
        ("link.eth1=52:54:00:00:00:02\n", "", "no interface eth1"),
        ("free_kb=900000", "free_kb=100", "only 100 KiB"),
        ('"confirmed"', '"trial"', "the trial t1 is open"),
    ],
)
def test_each_obstacle_is_a_sentence(old: str, new: str, said: str) -> None:
    found = obstacles(survey_of(SAID.replace(old, new)), node(), tagged=True)
    assert len(found) == 1
    assert said in found[0]


def test_the_slaves_of_a_bond_must_be_there_not_the_bond() -> None:
    assert obstacles(survey_of(SAID), node(bonds), tagged=True) == []
    [found] = obstacles(survey_of(SAID.replace("link.eth1", "link.eno9")), node(bonds), tagged=True)
    assert "no interface eth1" in found


@pytest.mark.parametrize("text", ["", "\0\0", "agent={", "agent=[1]", "uid", "link.=x", "=\n=\n"])
def test_whatever_a_node_says_is_no_error_of_ours(text: str) -> None:
    assert obstacles(survey_of(text), node(), tagged=True)
