"""What would these nodes do? Simulated machines with a scripted life, for the demo, for rehearsals and for tests.

    life.py      what a node shows after an order to reboot, one spell after the other   (pure)
    node.py      the machine: an SSH server on an address of its own that really goes away and comes back
    rack.py      some of them together, and the port that takes orders for them

Beside `pinakad.ssh` this package is the only importer of paramiko, and only of its server side. Everything happens in
the running event loop, except for one thread of paramiko's own for each connection.
"""

from pinakad.simulate.node import SimulatedNode, new_key
from pinakad.simulate.rack import CONTROL_ADDRESS, Rack, free_port, is_free
from pinakad.simulate.scenario import Face, Scenario, Spell

__all__ = ["CONTROL_ADDRESS", "Face", "Rack", "Scenario", "SimulatedNode", "Spell", "free_port", "is_free", "new_key"]
