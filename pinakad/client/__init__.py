"""What does any process beside the daemon do: ask for a deployment, follow it, read what happened?

This package imports nothing that is for a terminal. In the order in which a request goes:

    errors.py       why a call fails, with values as attributes
    access.py       open the folders that belong to producers
    sources.py      documents of any size -> the nodes to store
    plan.py         what these nodes mean together with those in the folder
    node_store.py   store node files, and move them aside
    lookup.py       which deployment, and which of its nodes, a text means
    pending.py      which request waits to be served
    refs.py         which deployment is meant, although it may not have begun
    placing.py      put a request into its place, although others write there too
    submit.py       ask for a deployment
    apply.py        store node files and ask for their deployment
    retry.py        ask for a deployment once more
    retire.py       move the files of machines that are gone aside
    reach.py        ask whether a login at an address works
    cancel.py       ask to cancel the running deployment
    follow.py       follow a deployment to its verdict
    daemon_view.py  what is going on, by the daemon or by the state folder
"""
