"""What a node says besides: it never matters, before and after the facts, on either stream, however much it is."""

import json
import socket
import threading

import paramiko
import pytest
from machines import Machines
from world import World

from pinakad.login.facts import MarkedFacts, facts_command, facts_output

BOOT_ID = "0f0e0d0c-0b0a-4908-8706-050403020100"
FACTS = (BOOT_ID, "12.50 99.00", "sqdn-001")
PIECES = [1, 2, 7, 64, 65536]


@pytest.fixture
def one(world: World, machines: Machines) -> Machines:
    machines.add(1)
    world.add_node(1)
    return machines


def chatty(machines: Machines, before: str, after: str = "") -> None:
    """Let the node's shell say something before each command, and after it."""
    shell = machines[1].folder / "shell"
    text = shell.read_text(encoding="utf-8").replace("exec /bin/sh -c", f"{before}\n/bin/sh -c")
    shell.write_text(f"{text}\ncode=$?\n{after}\nexit $code\n", encoding="utf-8")


@pytest.mark.parametrize("size", PIECES)
@pytest.mark.parametrize(
    "noise",
    ["", "\x1b]0;a title\x07", "no line ends here", "pinakad-", "pinakad-abc=", "=abc-pinakad", "x" * 200_000, "\r\n"],
)
def test_facts_are_found_whatever_stands_around_them_and_in_whatever_pieces_they_come(noise: str, size: int) -> None:
    said = facts_output(facts_command("abc"), FACTS)
    assert said is not None
    output = (noise + said.replace("\n", "\r\n" + noise) + noise).encode()
    facts = MarkedFacts("abc")
    for start in range(0, len(output), size):
        facts.feed(output[start : start + size])
    assert facts.values() == (BOOT_ID, 12.5, "sqdn-001")


def test_an_echo_of_the_command_and_the_facts_of_another_attempt_are_no_facts() -> None:
    facts = MarkedFacts("abc")
    facts.feed(facts_command("abc").encode() + (facts_output(facts_command("abd"), FACTS) or "").encode())
    assert facts.values() == (None, None, None)


def test_a_mark_that_nothing_ends_hides_no_fact_behind_it() -> None:
    facts = MarkedFacts("abc")
    facts.feed(b"pinakad-abc=" + b"x" * 5000 + (facts_output(facts_command("abc"), FACTS) or "").encode())
    assert facts.values() == (BOOT_ID, 12.5, "sqdn-001")


@pytest.mark.parametrize(
    "before",
    [
        "printf '\\033]0;root@node\\007no line ends here'",
        "head -c 100000 /dev/zero | tr '\\0' x",
        "head -c 3000000 /dev/zero >&2",
        "set -x",
    ],
)
def test_the_facts_of_a_chatty_node_are_its_facts(world: World, one: Machines, before: str) -> None:
    chatty(one, before, "printf 'good bye'")
    world.configure(poll={"reboot": "ignore", "identity": "require", "attempts": 25})
    world.start()
    report = world.serve()
    (node,) = report.nodes
    assert (node.state, node.reported_hostname, node.boot_id_after) == ("up", "sqdn-001", one[1].boot_id), node.message


SAYS = {
    "100 kB": "head -c 100000 /dev/zero",
    "3 MB of errors": "head -c 3000000 /dev/zero >&2",
    "both at once": "head -c 3000000 /dev/zero >&2 & head -c 3000000 /dev/zero; wait",
    "10 MB in small lines": "seq 1500000",
    "100 MB": "head -c 100000000 /dev/zero",
}


@pytest.mark.parametrize(
    ("command", "code", "state"),
    [(command, 0, "up") for command in SAYS.values()] + [(SAYS["both at once"], 3, "failed")],
    ids=[*SAYS, "both at once, in vain"],
)
def test_a_ready_command_counts_by_its_exit_status_however_much_it_says(
    world: World, one: Machines, command: str, code: int, state: str
) -> None:
    attempts = {"attempts": 100} if code == 0 else {"attempts": 2, "interval_s": 4}
    poll = {"ready_command": f"{command}; exit {code}", "reboot": "ignore", **attempts}
    world.configure(poll=poll, ssh={"command_timeout_s": 60})
    world.start()
    report = world.serve(90)
    (node,) = report.nodes
    assert node.state == state, json.dumps(node.model_dump(mode="json"))
    if code:
        assert "not_ready" in node.reasons
    else:
        assert node.attempts == 1


class Refuses(paramiko.ServerInterface):
    """Says why nobody may log in, and closes the connection, as sshd does after pam_nologin(8)."""

    transport: paramiko.Transport

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        message = paramiko.Message()
        message.add_byte(b"\x35")  # SSH_MSG_USERAUTH_BANNER (RFC 4252, section 5.4)
        message.add_string("System is going down. Unprivileged users are not permitted to log in anymore.\r\n")
        message.add_string("")
        self.transport._send_message(message)
        self.transport.sock.shutdown(socket.SHUT_RDWR)
        return paramiko.common.AUTH_FAILED


def test_a_node_that_says_why_it_lets_nobody_in_has_refused_the_login(world: World) -> None:
    server = socket.create_server((world.address(1), 0))
    port = server.getsockname()[1]

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(paramiko.ECDSAKey.generate())
            face = Refuses()
            face.transport = transport
            transport.start_server(threading.Event(), face)

    threading.Thread(target=serve, daemon=True).start()
    world.add_node(1)
    world.configure(ssh={"port": port}, poll={"attempts": 4, "interval_s": 0.5})
    world.start()
    report = world.serve()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    (node,) = report.nodes
    assert node.reason == "auth_failed", node.message
    assert "System is going down" in node.message


class HasALegalNotice(paramiko.ServerInterface):
    """Shows a notice before each login; from the second one on the connection is lost then, as when it reboots."""

    transport: paramiko.Transport
    logins = 0

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        message = paramiko.Message()
        message.add_byte(b"\x35")  # SSH_MSG_USERAUTH_BANNER (RFC 4252, section 5.4)
        message.add_string("Authorized use only.\r\n")
        message.add_string("")
        self.transport._send_message(message)
        HasALegalNotice.logins += 1
        if HasALegalNotice.logins == 1:
            return paramiko.common.AUTH_SUCCESSFUL
        self.transport.sock.shutdown(socket.SHUT_RDWR)
        return paramiko.common.AUTH_FAILED


def test_a_connection_that_is_lost_after_the_notice_of_every_login_is_no_refusal(world: World) -> None:
    server = socket.create_server((world.address(1), 0))
    HasALegalNotice.logins = 0

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.add_server_key(KEY)
            face = HasALegalNotice()
            face.transport = transport
            transport.start_server(threading.Event(), face)

    threading.Thread(target=serve, daemon=True).start()
    world.add_node(1)
    world.configure(ssh={"port": server.getsockname()[1]}, poll={"attempts": 4, "interval_s": 0.5})
    world.start()
    report = world.serve()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    (node,) = report.nodes
    assert HasALegalNotice.logins > 1, "the first login is the one before the launch"
    assert node.reason == "error", node.message
    assert set(node.reasons) == {"error"}


KEY = paramiko.ECDSAKey.generate()


def test_a_node_whose_sshd_lets_nobody_in_by_nologin_is_not_up(world: World, one: Machines) -> None:
    """Without PAM sshd says so in the session, and ends it with status 254 (session.c, do_nologin)."""
    (one[1].folder / "shell").write_text("echo 'System is going down.' >&2\nexit 254\n", encoding="utf-8")
    world.configure(poll={"attempts": 2, "interval_s": 0.5, "reboot": "ignore"})
    world.start()
    report = world.serve()
    (node,) = report.nodes
    assert (node.state, node.reason) == ("failed", "auth_failed"), node.message
    assert "254" in node.message


def test_a_node_without_a_shell_is_up_all_the_same(world: World, one: Machines) -> None:
    (one[1].folder / "shell").write_text("echo 'This account has no shell.'\nexit 1\n", encoding="utf-8")
    world.configure(poll={"reboot": "ignore"})
    world.start()
    assert world.serve().outcome == "completed"
