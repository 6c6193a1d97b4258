"""pinakad owns a bare-metal deployment from its request to a verdict that can be trusted.

Read the files in the order in which the data goes through them:

    config.py        what the operator wants
    watch.py         file system noise becomes one wake-up
    requests.py      the marker folder: what is asked, what we answered (marker_hints.py: what is nearly a marker)
    desk.py          one request after the other: taken, served, answered, picked up again
    nodes_folder.py  the node files, once their writers are done
    strict_json.py   bytes -> JSON that means one thing only
    node_file.py     JSON -> a node file of the known forms, or its problems (problems.py)
    node_check.py    does what one file says make sense, and addresses.py: which address is polled
    node_keys.py     keys that are misspelled (spelling.py)
    node_reading.py  one file's bytes -> what a deployment needs of it (node_machine.py: which machine it speaks of)
    nodes.py         node files -> the nodes of a deployment, and node_conflicts.py: the problems across files
    deployment.py    one deployment, told in the order in which it happens
    outside.py       what it needs from outside; wiring.py has the real parts
    script.py        the deployment script: launched once, found again, ended (supervisor.py, processes.py)
    runners.py       its supervisor is a process of ours, or a unit of systemd's
    launch_service.py   root's side of that: who may have it started; script_unit.py runs it, by root's own
                     run_ledger.py and snapshot_copy.py (trust.py: who else could change what root runs)
    permissions.py   who else could change the script or read the key (linux/access_list.py)
    ssh/             one attempt to log in to a node, classified (transport.py: what a node may send us)
    polling.py       when is a node up?
    poller.py        every node on its own place of the grid (node_log.py: which changes are worth a line)
    verdict.py       what is said at the end, and why
    report.py        the one document: what happened (node_part.py, timestamps.py; schema.py, headline.py)
    store.py         the state folder (files.py, locks.py; steps.py names what a crash can come between)
    publisher.py     how readers see it; summary.py in one line, metrics.py in numbers
    patience.py      what cannot be written for now (waiting.py: how anything is waited for)
    journal.py       what happened, for people, with fields (events.py, catalog.py)
    notify.py        ready, alive, status: what systemd is told
    linux/           what Linux offers and Python does not wrap
    limits.py        what the process may use: open files, and when garbage is looked for
    daemon.py        the loop that puts these together (options.py: its command line)
    simulate/        machines that go away and come back, for the demo and for rehearsals
    cli/             pinakactl
"""

__version__ = "0.1.0"  # pyproject.toml takes it from here: to ask importlib.metadata costs every start 30 ms
