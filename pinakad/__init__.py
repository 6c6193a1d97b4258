"""pinakad owns a bare-metal deployment from its request to a verdict that can be trusted.

The packages are the stages of the data; each says in its `__init__.py` in which order its files are read.

config.py      what the operator wants
tables.py      what the tables of the configuration are made of, and those of the programs beside the daemon
printable.py   what may be shown to a person
problems.py    what is wrong with an input: code, place, value and remedy
events.py      what is logged, with ids for the journal
times.py       moments and durations
markers/       what is asked, and what was answered
nodes/         node files -> nodes
deployment/    one deployment: checks, launch, supervision, verdict
script/        the deployment script, launched exactly once
ssh/           one attempt to log in to a node
login/         the login itself, in processes of their own
polling/       when is a node up, and when is it asked?
report/        the one document: what happened
state/         the state folder, and what readers see
daemon/        the program `pinakad`: one request after the other
provision/     the program `pinakad-provision`: what a node's network configuration is
web/           the front door `pinakad-web`: an interface over HTTP, and a page
client/        what any process beside the daemon does: ask, follow, read
cli/           the program `pinakactl`
simulate/      machines that go away and come back, for the demo and for rehearsals
linux/         what Linux offers and Python does not wrap
generate/      schemas, catalog and manual pages, made from all of this (schemas/ has the first)
__main__.py    the command line words of `pinakad` and of root's two programs

Where does a change go?

- A reason of a deployment: report/vocabulary.py; then preflight.py (before the launch) or verdict.py of deployment/.
- A reason of a node: polling/vocabulary.py; the part of ssh/ or login/ that finds it.
- A setting: config.py or polling/settings.py, and the example in systemd/; then `python -m pinakad.generate`.
- A check of doctor: cli/checks/, listed in its order.py.
- Another way to ask for a deployment: a process of its own that stands on client/submit.py.
"""

__version__ = "0.1.0"  # pyproject.toml takes it from here: to ask importlib.metadata costs every start 30 ms
