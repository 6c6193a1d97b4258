"""The login itself: in login workers, processes of their own that have the SSH key and read what nodes send.

              daemon                                     login worker (as many as processors, none at rest)
     has      the state folder, known_hosts,             the SSH key, the ready_command,
              the marker and nodes folders               sockets of the nodes whose logins it makes
     does     connects, waits for banner and the         key exchange, shows the host key, authenticates,
              beginning of the key exchange,             runs the commands, sends back one bounded message
              judges the host key
     may      what its unit lets it                      read the program's own files; nothing else on any disk,
                                                         no connection, no signal, no new rights
     limits   kills a worker that outlives an            ends each login at its limit
              attempt's limits by 5 s
                          -- Begin, with the socket (SCM_RIGHTS) -->
                          <-- HostKeyShown --
                          -- HostKeyVerdict -->
                          <-- Ended --

In the manner of OpenSSH's privilege separation: a mistake in the SSH library, or a computation that a hostile node
makes endless, costs an attempt and never a verdict. This package imports nothing of the daemon.

messages.py    what the daemon and a login worker say to each other
key_file.py    reads a key file, or the operator's known_hosts
keys.py        can this private key be used?
sandbox.py     what a login worker gives up before it talks to a node
worker.py      the process: it runs the logins that the daemon begins
login.py       one login: key exchange, authentication, the commands
transport.py   bounds what a server may send, and what reading it may cost
facts.py       boot id, uptime and host name in the output of the commands
own_time.py    how much time did this process have? Only that counts for a limit
"""
