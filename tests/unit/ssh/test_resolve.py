"""A resolver that does not answer: does the daemon go on with all the rest, and stop in time?"""

import os
import socket

import pytest
from world import World

# the daemon with a resolv.conf of its own, in a mount namespace of its own
DAEMON = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
NEWNS, BIND, REC_PRIVATE = 0x20000, 0x1000, 0x44000
assert libc.unshare(NEWNS) == 0
assert libc.mount(b"none", b"/", None, REC_PRIVATE, None) == 0
assert libc.mount({conf!r}, b"/etc/resolv.conf", None, BIND, None) == 0
from pinakad.__main__ import main
main()
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give the daemon a resolv.conf of its own")
def test_names_that_nobody_resolves_hold_up_neither_the_run_nor_the_stop(world: World) -> None:
    conf = world.root / "resolv.conf"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((world.address(53), 53))
        conf.write_text(f"nameserver {world.address(53)}\noptions timeout:30 attempts:1\n", encoding="ascii")
        world.program = ["-c", DAEMON.format(conf=os.fsencode(conf))]
        world.configure(poll={"attempts": 5, "reboot": "ignore"}, ssh={"connect_timeout_s": 0.2})
        for number in range(1, 41):  # more than the loop's own pool has threads
            world.add_node(number, ssh={"address": f"host-{number}.example.org"})
        world.start()
        report = world.serve(10)
        assert {node.reason for node in report.nodes} == {"unresolved"}
        assert silent.recv(512), "the resolver was asked"
        assert world.stop() < 2
