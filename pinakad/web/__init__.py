"""The front door: an HTTP interface and a page. One more producer, beside the daemon, without rights and without a key.

It holds no state: everything that it shows comes from files, and what it does goes through client/, as pinakactl's
commands do. In the order of a call:

    __main__.py      the program `pinakad-web`
    startup.py       options, configuration, sockets
    listeners.py     the sockets
    runner.py        carries connections (uvicorn)
    asgi.py          carries calls to handlers (starlette)
    exchange.py      a call and its answer
    gate.py          is this call meant for us, and may its sender make it?
    credentials.py   token and cookie
    rates.py         how often may something be done?
    failures.py      what a caller reads where client/ fails
    table.py         every path of the interface
    documents.py     the form of each answer
    site.py          what all handlers stand on
    live.py          what is going on now
    stream.py        the live events
    deployments.py   what happened: history, reports, nodes, the script's output
    comparison.py    what differs in two deployments
    nodes.py         node files that lie there, and what new ones would mean
    orders.py        what is ordered: a deployment, a cancellation
    plain.py         what programs ask
    compat.py        the endpoints that an existing front end knows
    session.py       the browser's session
    static.py        the page's files, which are in page/
"""
