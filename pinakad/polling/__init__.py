"""When is a node up, and when is it polled?

vocabulary.py   rungs, reasons, states, and the result of one attempt
settings.py     `[poll]`
schedule.py     when is a node polled? The slots of a run, and the offset of a node in them
baseline.py     is the machine that answers the node, and has it rebooted?
node_poll.py    when is a node up? The state of one node, and how an attempt changes it
poller.py       polls all nodes until all are up or polling has ended
"""
