"""One attempt to log in to a node, in the order in which it happens.

prober.py        one whole attempt with its limits, and the baselines of all nodes at once
limiter.py       how many attempts at once, and which is next
resolve.py       host name -> address
tcp.py           connects to thousands of addresses at little cost
banner.py        does an SSH server answer? Its banner is read without consuming it
keys.py          can this private key be used?
known_hosts.py   the host keys in the operator's known_hosts
host_keys.py     is this the known host key of a node, and what does another one mean?
transport.py     bounds what a server may send, and what reading it may cost
login.py         key exchange, authentication, the commands
facts.py         boot id, uptime and host name in the output of the commands
own_time.py      how much time did this process have? Only that counts for a limit
"""
