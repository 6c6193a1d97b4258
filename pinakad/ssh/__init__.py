"""One attempt to log in to a node, in the order in which it happens.

prober.py        the whole attempt, with its limits; the first question to all nodes at once
limiter.py       how many at once, and who is next
resolve.py       host name -> address
tcp.py           one connection to each of thousands of addresses, at little cost
banner.py        is it an SSH server? Its banner, waited for without taking it
keys.py          the private key
known_hosts.py   the host keys that the operator knows
host_keys.py     the host keys that were seen before, and what a changed one means
transport.py     what a server may send, and what it may cost
login.py         key exchange, authentication, the commands
facts.py         boot id, uptime and host name in what the commands print
own_time.py      how much time this process had itself: a limit counts only that
"""
