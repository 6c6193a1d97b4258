"""From the bytes of the node files to the nodes of a deployment, with every problem found on the way.

strict_json.py   bytes -> JSON that means one thing only
hostname.py      is a text a host name?
node_file.py     JSON -> a node file of the known forms
keys.py          unknown keys: is one misspelled, or in the wrong place?
spelling.py      is one word another one with a typing slip?
addresses.py     which address of a node is polled?
checks.py        does what one file says make sense?
machine.py       which machine does a file describe?
reading.py       what does a deployment need of one file, and what is wrong with it?
conflicts.py     the problems that only several files together have
selection.py     all files -> the nodes of a deployment
networks.py      in which networks do the nodes lie?
folder.py        the nodes folder: which files are readable, and are their writers done?
"""
