"""What would these nodes do? Simulated machines with a scripted life, for the demo, for rehearsals and for tests.

scenario.py   what a node shows after an order to reboot, one spell after the other
port.py       a port that refuses, serves, or sends its banner a byte at a time
node.py       the machine: an SSH server that really goes away and comes back
rack.py       some of them together, and the port that takes orders for them

Beside `pinakad.ssh` this package is the only importer of paramiko, and only of its server side. Everything happens in
the running event loop, except for one thread of paramiko's own for each connection.
"""
