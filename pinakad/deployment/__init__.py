"""One deployment, from a request that is written down to a verdict.

deployment.py     the whole run, in the order in which it happens
preflight.py      what is checked before the launch
supervision.py    who decides after the launch: operator, script, time, nodes
old_addresses.py  does a node that was given up answer where it was before?
verdict.py        which verdict follows, and its sentence
transitions.py    which phases a run goes through, and what each step writes
record.py         the report is written, before the run goes on
deadlines.py      when the script must have ended
node_log.py       which changes of a node are logged
dependencies.py   what a deployment needs from others
"""
