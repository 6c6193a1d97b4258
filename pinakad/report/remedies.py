"""Why did a node not come up, or a deployment not complete, and what can be done? The same words everywhere."""

from typing import NamedTuple

from pinakad.polling.vocabulary import NodeReason
from pinakad.report.vocabulary import Reason


class Remedy(NamedTuple):
    """Why it is so, and what to do: a sentence or two each."""

    why: str
    do: str


OF_NODES: dict[NodeReason, Remedy] = {
    NodeReason.UNRESOLVED: Remedy(
        "The name in the node file's ssh.address has no address.",
        "Correct ssh.address in the node file, or make the controller's name server know the name.",
    ),
    NodeReason.REFUSED: Remedy(
        "The machine answers, but nothing listens on the SSH port: it still boots, or sshd is not running.",
        "Look at its console: systemctl status ssh. Check the port in [ssh] port and in the node file's ssh.port.",
    ),
    NodeReason.UNREACHABLE: Remedy(
        "The network has no way to the address: the machine is off, still boots, or has another address or VLAN.",
        "Look at its console: ip address, ip route. Check cable, bond and VLAN of the interface that is polled.",
    ),
    NodeReason.TIMEOUT: Remedy(
        "Nothing came back in time: the machine is off or hangs, a firewall drops packets, or it is overloaded.",
        "Look at its power and its console, then at the firewalls between the controller and the node.",
    ),
    NodeReason.NOT_SSH: Remedy(
        "Something other than SSH answers at the port.",
        "Check the address and the port in the node file: another service, or another machine, listens there.",
    ),
    NodeReason.BANNER_TIMEOUT: Remedy(
        "The connection stands, but sshd does not greet: the machine is overloaded, or its disk hangs.",
        "Look at its console for load and disk errors: dmesg, systemctl status ssh.",
    ),
    NodeReason.AUTH_FAILED: Remedy(
        "sshd runs, but does not accept our key for this user: the key is not in authorized_keys, or another system "
        "answers there.",
        "Put the public key (ssh-keygen -y -f the private key) into authorized_keys of the user in [ssh] user.",
    ),
    NodeReason.HOST_KEY_CHANGED: Remedy(
        "The machine shows another host key than before.",
        "If it was reinstalled, remove its line from /var/lib/pinakad/known_hosts (or the file in [ssh] known_hosts); "
        "if not, find out who answers at its address.",
    ),
    NodeReason.HOST_KEY_UNKNOWN: Remedy(
        "Its host key is not in the file of known keys, and host_keys is strict.",
        "Add the key to the file in [ssh] known_hosts, or choose another [ssh] host_keys.",
    ),
    NodeReason.WRONG_HOST: Remedy(
        "Another machine, or a live installer, answers at this address: it has another host name.",
        "Check that the address is used once, that the installation is over, and the host name on the node.",
    ),
    NodeReason.NOT_REBOOTED: Remedy(
        "The machine answers, but it has not rebooted since the launch.",
        "See the script's output: does it reboot this node? Look at its console: a shutdown may hang.",
    ),
    NodeReason.NOT_READY: Remedy(
        "The login works, but [poll] ready_command does not exit with status 0.",
        "Run that command on the node, and see what it waits for: systemctl --failed.",
    ),
    NodeReason.UNSTABLE: Remedy(
        "The machine came up, and rebooted again or stopped to answer.",
        "Look at its console and journal for a reboot loop: journalctl --list-boots.",
    ),
    NodeReason.AT_OLD_ADDRESS: Remedy(
        "The machine answers at the address that it had before: it was not configured, or went back to that.",
        "Look at its journal for why (journalctl -b -1), correct the node file, and deploy it again.",
    ),
    NodeReason.ERROR: Remedy(
        "The attempt failed for a reason of its own; the message has it.",
        "Read the message; pinakactl logs shows what the daemon logged.",
    ),
}

OF_DEPLOYMENTS: dict[Reason, Remedy] = {
    Reason.INVALID_REQUEST: Remedy(
        "The request cannot be understood, or names node files that are not there or do not count.",
        "Correct what the problems name, and ask again. Nothing was launched.",
    ),
    Reason.NODES_UNREADABLE: Remedy(
        "The folder of the node files cannot be read.", "See pinakactl doctor: it names the folder and the account."
    ),
    Reason.NO_NODES: Remedy("There is no node file.", "Store node files: pinakactl apply, or the page."),
    Reason.INVALID_NODES: Remedy(
        "Node files are wrong. Nothing was launched.", "Correct what the problems name, and apply these nodes again."
    ),
    Reason.SCRIPT_NOT_FOUND: Remedy(
        "There is no deployment script.", "Put it where [paths] script says, and ask again."
    ),
    Reason.SCRIPT_NOT_RUNNABLE: Remedy(
        "The deployment script cannot be run as it is.", "See the message; pinakactl doctor names what to change."
    ),
    Reason.SCRIPT_ALREADY_RUNNING: Remedy(
        "Another program runs the deployment script already.",
        "Wait for its end, or let only pinakad start the script.",
    ),
    Reason.SSH_KEY: Remedy(
        "The SSH key is missing or cannot be used. Nothing was launched.",
        "Put a private key without a passphrase where [ssh] key says; pinakactl doctor tries it.",
    ),
    Reason.CANCELLED: Remedy(
        "Somebody cancelled the deployment. Nodes that were rebooting already were left alone.",
        "Deploy again when you are ready.",
    ),
    Reason.LAUNCH_FAILED: Remedy(
        "The script could not be started.", "See the message and pinakactl doctor, then deploy again."
    ),
    Reason.SCRIPT_FAILED: Remedy(
        "The deployment script ended with an error.",
        "Read the end of its output, correct the cause, and deploy the same nodes again.",
    ),
    Reason.SCRIPT_TIMEOUT: Remedy(
        "The script ran longer than [script] timeout_s, and was ended.",
        "Read the end of its output: what does it wait for? Raise timeout_s if it needs longer.",
    ),
    Reason.SCRIPT_LOST: Remedy(
        "The script vanished without an exit status: it was killed from outside.",
        "Look into the journal for the cause (out of memory?), then deploy again.",
    ),
    Reason.SCRIPT_INTERRUPTED: Remedy(
        "The controller itself was rebooted while the script ran.", "Check the nodes, then deploy again."
    ),
    Reason.NODES_UNREACHABLE: Remedy(
        "The script succeeded, but not every node came back in time.",
        "See why for each node that is not up, then retry those that failed.",
    ),
    Reason.NODES_NOT_ASKED: Remedy(
        "Some nodes could not be asked at all: the controller lacked something.",
        "See the message: memory, open files or processes of the controller; then retry those nodes.",
    ),
    Reason.STATE_UNREADABLE: Remedy(
        "The record of this deployment cannot be read, so its end is not known. Nothing was launched again.",
        "Check the nodes; the deployment's folder is kept for you to look at.",
    ),
    Reason.INTERNAL_ERROR: Remedy(
        "A bug in pinakad ended this deployment.", "Report the traceback that is in the log: pinakactl logs."
    ),
}
