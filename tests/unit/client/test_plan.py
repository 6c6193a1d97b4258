import json
from pathlib import Path
from typing import Any

import pytest
from paths import DATA

from pinakad.client.access import opened
from pinakad.client.errors import NotStoredError
from pinakad.client.plan import Plan, Successors, plan_of, successors
from pinakad.client.sources import Source
from pinakad.config import Config

NODE: dict[str, Any] = json.loads((DATA / "default.json").read_bytes())


def node(hostname: str, address: str) -> bytes:
    interface = {"interface_name": "eno1", "type": ["Primary"], "vlan_id": "", "ip": address}
    return json.dumps(NODE | {"hostname": hostname, "using_interfaces": {"interface_01": interface}}).encode()


def plan(folder: Path, *sources: Source) -> Plan:
    with opened(folder) as place:
        return plan_of(Config(), place, list(sources))


def test_a_new_node_supersedes_the_file_of_the_same_host(tmp_path: Path) -> None:
    (tmp_path / "node_01.json").write_bytes(node("a", "192.0.2.1"))
    (tmp_path / "node_02.json").write_bytes(node("b", "192.0.2.2"))
    found = plan(tmp_path, Source("new", node("a", "192.0.2.3")), Source("other", node("c", "192.0.2.4")))
    assert found.replaced == {"new": ["node_01.json"], "other": []}
    assert [item.file for item in found.found.nodes] == ["new", "other"]


@pytest.mark.parametrize(
    ("sources", "problem"),
    [
        ((Source("x", node("a", "192.0.2.1")), Source("y", node("a", "192.0.2.2"))), "leave one of them out"),
        ((Source("x", node("a", "192.0.2.1")), Source("x", node("b", "192.0.2.2"))), "a file is named twice"),
        ((Source("x", node("a", "192.0.2.9")),), "192.0.2.9"),
        ((Source("x", b"{}"),), "hostname"),
    ],
)
def test_what_is_wrong_alone_or_together_is_refused_with_every_problem(
    tmp_path: Path, sources: tuple[Source, ...], problem: str
) -> None:
    (tmp_path / "node_01.json").write_bytes(node("other", "192.0.2.9"))
    with pytest.raises(NotStoredError) as caught:
        plan(tmp_path, *sources)
    assert any(problem in line for line in caught.value.problems)
    assert str(caught.value).endswith("\nnothing was stored")


def test_successors_name_the_file_that_counts_else_the_file_itself(tmp_path: Path) -> None:
    for number, host in ((1, "a"), (2, "b"), (3, "a")):
        (tmp_path / f"node_0{number}.json").write_bytes(node(host, f"192.0.2.{number}"))
    with opened(tmp_path) as folder:
        found = successors(Config(), folder)
    assert found == Successors({"node_01.json": "node_03.json"})
    assert [found(name) for name in ("node_01.json", "node_02.json", "gone")] == [
        "node_03.json",
        "node_02.json",
        "gone",
    ]
