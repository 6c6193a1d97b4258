"""What of ours may be missing when a node is to be asked, and that it is not the node's fault?"""

from pathlib import Path

import pytest
from report_example import finished_report
from site_folders import write_key

from pinakad.daemon.logins import Logins
from pinakad.polling.vocabulary import AttemptResult, NodeReason


async def ask(folder: Path, ready_command: str | None) -> AttemptResult:
    report = finished_report()
    ssh = report.policy.ssh.model_copy(update={"key": folder / "key.pem", "allow_loopback": True})
    logins = Logins(report.policy.model_copy(update={"ssh": ssh}), folder / "known_hosts", ready_command)
    node = report.nodes[0].but(address="127.0.0.1", port=9)
    try:
        return await logins.attempt(node, stalled=False)
    finally:
        logins.close()


async def test_a_key_that_is_gone_meanwhile_is_no_attempt_at_the_node(tmp_path: Path) -> None:
    probe = await ask(tmp_path, "")
    assert (probe.reason, probe.not_made) == (NodeReason.ERROR, True)
    assert "key.pem" in probe.message


@pytest.mark.parametrize("ready_command", ["true", None])
async def test_a_ready_command_that_cannot_be_read_any_more_is_no_attempt_at_the_node(
    tmp_path: Path, ready_command: str | None
) -> None:
    write_key(tmp_path / "key.pem")
    probe = await ask(tmp_path, ready_command)
    assert probe.not_made is (ready_command is None)
