"""pinakad owns a bare-metal deployment from its request to a verdict that can be trusted.

Read the files in the order in which the data goes through them:

    config.py        what the operator wants
    watch.py         file system noise becomes one wake-up
    requests.py      the marker folder: what is asked, what we answered
    nodes_folder.py  the node files, once their writers are done
    strict_json.py   bytes -> JSON that means one thing only
    node_file.py     JSON -> a node file of the known forms, or its problems
    nodes.py         node files -> the nodes of a deployment, or the problems across files
    deployment.py    one deployment, told in the order in which it happens
    script.py        the deployment script: launched once, found again, ended (with supervisor.py)
    runners.py       its supervisor is a process of ours, or a unit of systemd's (script_unit.py, trust.py)
    permissions.py   who else could change the script or read the key
    ssh/             one attempt to log in to a node, classified
    polling.py       when is a node up?
    poller.py        every node on its own place of the grid
    report.py        the one document: what happened
    store.py         the state folder
    limits.py        what the process may use: open files, and when garbage is looked for
    headline.py      the head of a report, of which hundreds are read in no time
    metrics.py       the same facts as numbers, for Prometheus
    journal.py       what happened, for people, with fields (the kinds of events: events.py)
    notify.py        ready, alive, status: what systemd is told
    daemon.py        the loop that puts these together
    cli/             pinakactl
"""

__version__ = "0.1.0"  # pyproject.toml takes it from here: to ask importlib.metadata costs every start 30 ms
