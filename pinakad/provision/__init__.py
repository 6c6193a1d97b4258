"""The shipped deployment program: node files -> configured nodes, of which none is lost.

Built so far is the first step, which needs no node: what a node's network configuration is, or what prevents one.

    __main__.py   the program `pinakad-provision`
    links.py      which links does a node have by its file, and what does each carry?
    render.py     links -> the netplan document of a node, or what prevents one
"""
