"""The node files: from bytes to the nodes of a deployment, with every problem on the way.

strict_json.py   bytes -> JSON that means one thing only
node_file.py     JSON -> a node file of the known forms
keys.py          unknown keys: is one misspelled, or in the wrong place?
spelling.py      is one word another one with a slip of the hand?
addresses.py     which address of a node is polled?
checks.py        does what one file says make sense?
machine.py       which machine does a file describe?
reading.py       one file: what a deployment needs of it, and its problems
conflicts.py     the problems that only several files together have
selection.py     all files -> the nodes of a deployment
folder.py        the nodes folder: which files are readable, and are their writers done?
"""
