"""Is the machine that answers the node, and has it rebooted since the launch?"""

from dataclasses import dataclass

from pinakad.polling.schedule import Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, NodeReason, RebootEvidence, Rung


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is known of a node before it is polled, and what its answers are compared with."""

    hostname: str
    boot_id_before: str | None = None

    def names_itself(self, reported: str | None) -> bool:
        """Return whether the reported host name is this node's: the first labels are equal, case ignored."""
        return reported is not None and _short(reported) == _short(self.hostname)


def proof_of_reboot(
    result: AttemptResult, baseline: Baseline, schedule: Schedule
) -> tuple[bool | None, RebootEvidence | None]:
    """Return whether the node has rebooted since the launch, and by which evidence; (None, None) without a proof.

    A long uptime without a baseline proves nothing. The node read its uptime after the attempt began: counting from the
    beginning can miss a proof, but never makes a false one.
    """
    if result.boot_id and baseline.boot_id_before:
        return result.boot_id != baseline.boot_id_before, RebootEvidence.BOOT_ID
    since_launch_s = result.began_s - schedule.launched_s
    if not baseline.boot_id_before and result.uptime_s is not None and result.uptime_s < since_launch_s:
        return True, RebootEvidence.UPTIME
    return None, None


def why_not_this_machine(
    rebooted: bool | None, result: AttemptResult, baseline: Baseline, settings: PollSettings
) -> tuple[NodeReason, Rung, str] | None:
    """Return why the machine that answers is not the node, or has not rebooted, though it must; None for neither."""
    if settings.identity == "require" and not baseline.names_itself(result.hostname):
        text = f"it names itself {result.hostname or 'nothing'}, its file says {baseline.hostname}"
        return NodeReason.WRONG_HOST, Rung.COMMAND, text
    if settings.reboot == "require" and rebooted is not True:
        text = "no proof of a reboot" if rebooted is None else "it is still the boot from before the launch"
        return NodeReason.NOT_REBOOTED, Rung.IDENTITY, text
    return None


def _short(hostname: str) -> str:
    return hostname.split(".", maxsplit=1)[0].lower()
