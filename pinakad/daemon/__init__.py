"""The daemon: it takes requests, has them deployed, and answers them.

startup.py       what must hold before anything is served, each condition with its own exit code
daemon.py        the parts put together, and the tasks that run
marker_loop.py   the markers are checked when something may have happened, and now and then anyway
worker.py        one request after the other
intake.py        a request is written down before anything is done for it
wiring.py        the real parts that a deployment needs (logins.py: the SSH logins of one deployment)
release.py       the answer is written, and the end of the request: set aside, put back where it is touched, removed
recovery.py      after a restart, what an earlier daemon left
node_loop.py     node files are checked as they arrive
reach.py         questions whether a login at an address works are answered
question.py      what the answer to such a question is
heartbeat.py     systemd's watchdog and STATUS= line
signals.py       signals are handled in the event loop
options.py       the command line of `pinakad`
"""
