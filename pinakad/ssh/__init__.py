"""One attempt to log in to a node, in the order in which it happens.

prober.py          one whole attempt with its limits, and the baselines of all nodes at once
limiter.py         how many attempts at once, and which is next
resolve.py         host name -> address
tcp.py             connects to thousands of addresses at little cost
banner.py          does an SSH server answer? Its banner is read without consuming it
login_turns.py     when does a login begin, and on which worker?
login_call.py      one login: judges the host key, has a worker do the rest, and watches its limits
host_keys.py       is this the known host key of a node, and what does another one mean?
known_hosts.py     the host keys in the operator's known_hosts
worker_pool.py     the login workers of a run: started when they are needed, replaced when they end
worker_process.py  one login worker: its process, the socket to it, and its logins
key_check.py       can the SSH key be used? A worker tries it, once for each content
own_time.py        timers on the time that this process had
"""
