"""One file a command: its help, its options, and what it prints.

In reading order:

    demo.py        the main job, on this machine
    status.py      what is running
    apply.py       store node files and ask for their deployment
    wait.py        wait for the verdict
    retry.py       ask for a deployment once more
    cancel.py      cancel the running deployment
    reach.py       have the daemon try a login
    retire.py      move a node's files aside
    validate.py    every problem of node files
    config.py      every setting, and its source
    history.py     how the deployments ended
    show.py        what happened in a deployment
    logs.py        what was logged in a deployment
    doctor.py      what would make the next deployment fail
    metrics.py     the numbers for Prometheus
    simulate.py    simulated nodes
    web.py         who gets in by the front door
    setup.py       make pinakad a service of this machine
    completion.py  what a shell needs to complete a command line
"""
