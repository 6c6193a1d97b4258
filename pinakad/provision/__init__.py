"""The shipped deployment program: node files -> configured nodes, of which none is lost.

What it configures so far is the network and the host name, on nodes with netplan or systemd-networkd.

    __main__.py     the program `pinakad-provision`
    controller.py   all nodes, in waves
    waves.py        how many nodes are changed before the next ones
    run_node.py     the steps of one node
    remote.py       commands on a node, over SSH
    node_facts.py   what is on a node before anything is changed
    links.py        which links does a node have by its file, and what does each carry?
    render.py       links -> the netplan document of a node, or what prevents one
    tree.py         what is to lie on the node, with all that it owns
    difference.py   how what lies on a node differs from what would
    agent.sh        the part on the node: a configuration is on trial until it is confirmed from outside
"""
