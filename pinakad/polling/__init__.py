"""When is a node up, and when is it asked?

vocabulary.py   rungs, reasons, states, and the result of one attempt
settings.py     `[poll]`
schedule.py     the slots of a run, and the part of a slot that is a node's
node_poll.py    the state of one node, and what an attempt changes
poller.py       the attempts are made: all nodes, until all are up or polling is spent
"""
