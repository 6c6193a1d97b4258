"""What would these nodes do? Simulated machines with a scripted life, for the demo, for rehearsals and for tests.

scenario.py   what does a node show after an order to reboot? One spell after the other
port.py       a port that refuses, serves, or sends its banner byte by byte
node.py       a machine: an SSH server that really goes away and comes back
rack.py       several machines, and the port that takes orders for them

Beside `pinakad.ssh` this package is the only importer of paramiko, and only of its server side. Everything runs in
the event loop, except for one thread of paramiko for each connection.
"""
