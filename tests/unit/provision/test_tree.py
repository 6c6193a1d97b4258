"""Is a configuration the same bytes each time, and does it own all that it replaces?"""

import io
import json
import os
import tarfile

import pytest
from netplan import generator

from pinakad.provision.tree import GENERATOR, GeneratorError, generated, sha256, tree_of

DOCUMENT = {"network": {"version": 2, "renderer": "networkd", "ethernets": {"eno1": {"addresses": ["10.0.0.1/24"]}}}}
HOSTS = {"10.0.0.2": "sqdn-002", "10.0.0.1": "sqdn-001.example"}


def test_a_node_with_netplan_gets_one_file_and_the_whole_folder_is_owned() -> None:
    tree = tree_of(DOCUMENT, netplan=True, hostname="sqdn-001.example", hosts=HOSTS)
    assert json.loads(tree.files["etc/netplan/90-pinakad.yaml"]) == DOCUMENT
    assert "etc/netplan" in tree.owned
    assert tree.files["etc/hostname"] == "sqdn-001\n"
    assert "127.0.1.1 sqdn-001.example sqdn-001\n" in tree.files["etc/hosts"]
    assert tree.files["etc/hosts"].endswith("10.0.0.1 sqdn-001.example\n10.0.0.2 sqdn-002\n")
    assert "preserve_hostname: true" in tree.files["etc/cloud/cloud.cfg.d/99-pinakad.cfg"]


def test_the_same_configuration_is_the_same_bytes_and_another_is_not() -> None:
    one = tree_of(DOCUMENT, netplan=True, hostname="a", hosts=HOSTS).archive()
    assert one == tree_of(DOCUMENT, netplan=True, hostname="a", hosts=dict(reversed(HOSTS.items()))).archive()
    assert sha256(one) != sha256(tree_of(DOCUMENT, netplan=True, hostname="b", hosts=HOSTS).archive())
    with tarfile.open(fileobj=io.BytesIO(one)) as tar:
        modes = {entry.name: oct(entry.mode) for entry in tar}
    assert modes["etc/netplan/90-pinakad.yaml"] == "0o600"
    assert modes["etc/hosts"] == "0o644"


def test_a_node_with_networkd_alone_gets_what_debians_generator_makes() -> None:
    if not GENERATOR.exists() and os.environ.get("CI") == "true":
        pytest.fail("there is no netplan generator")
    if not GENERATOR.exists():
        with pytest.raises(GeneratorError, match=r"apt-get install netplan\.io"):
            generated(DOCUMENT)
        pytest.skip("there is no netplan generator (apt-get install netplan.io)")
    assert generator() is not None
    tree = tree_of(DOCUMENT, netplan=False, hostname="a", hosts={})
    [name] = [path for path in tree.files if path.startswith("etc/systemd/network/")]
    assert "Address=10.0.0.1/24" in tree.files[name]
    assert "etc/systemd/network" in tree.owned
    with pytest.raises(GeneratorError, match="netplan refuses it"):
        generated({"network": {"version": 2, "ethernets": {"eno1": {"addresses": ["nonsense"]}}}})
