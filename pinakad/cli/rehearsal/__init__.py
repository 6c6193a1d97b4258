"""How is a deployment rehearsed without hardware?

In reading order:

    sandbox.py     a folder with all that a daemon and its simulated nodes need
    scenarios.py   which lives simulated nodes can have
    child.py       the real daemon as a child process
    front_door.py  the real front door as a child process
    progress.py    what happens, while it happens
"""
