"""The one document of a deployment: what happened.

vocabulary.py   phases, outcomes, reasons, and why something cannot be done
request.py      what was asked
node.py         one node: what its file says, and what its polling has found
document.py     the whole document, and status.json
pieces.py       the document in pieces, for thousands of nodes
summary.py      its summary alone, for lists
wording.py      one line for a person
overview.py     the nodes at a glance
remedies.py     why it is so, and what to do, for every reason
reach.py        what one attempt at an address found, which was asked for by itself
"""
