"""What of ours may be missing when a node is to be asked, and that it is not the node's fault?"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile import Zoo
from machines import free_port
from report_example import finished_report
from site_folders import write_key

from pinakad.daemon.logins import Logins
from pinakad.polling.vocabulary import AttemptResult, NodeReason
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.ssh.key_check import KeyCheck

ADDRESS = f"127.{os.getpid() % 250 + 2}.78.1"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Give the port of a node that is up."""
    port = free_port()
    zoo = Zoo({f"{ADDRESS}:{port}": "healthy"})
    yield port
    zoo.close()


def logins_of(folder: Path, ready_command: str | None) -> Logins:
    report = finished_report()
    ssh = report.policy.ssh.model_copy(update={"key": folder / "key.pem", "allow_loopback": True})
    policy = report.policy.model_copy(update={"ssh": ssh})
    return Logins(policy, folder / "known_hosts", ready_command, KeyCheck(time.time_ns))


async def ask(folder: Path, ready_command: str | None, port: int) -> AttemptResult:
    logins = logins_of(folder, ready_command)
    node = finished_report().nodes[0].model_copy(update={"address": ADDRESS, "port": port})
    try:
        return await logins.attempt(node, stalled=False, may_run_ready=lambda _: True)
    finally:
        logins.close()


async def test_a_key_that_is_gone_meanwhile_is_no_attempt_at_the_node(tmp_path: Path, port: int) -> None:
    probe = await ask(tmp_path, "", port)
    assert (probe.reason, probe.not_made) == (NodeReason.ERROR, True)
    assert "key.pem" in probe.message


async def test_a_node_that_is_not_there_is_told_so_without_the_key(tmp_path: Path) -> None:
    probe = await ask(tmp_path, "", free_port())
    assert (probe.reason, probe.not_made) == (NodeReason.REFUSED, False)


@pytest.mark.parametrize("ready_command", ["true", None])
async def test_a_ready_command_that_cannot_be_read_any_more_is_no_attempt_at_the_node(
    tmp_path: Path, ready_command: str | None, port: int
) -> None:
    write_key(tmp_path / "key.pem")
    probe = await ask(tmp_path, ready_command, port)
    assert probe.not_made is (ready_command is None)


async def test_whether_the_key_can_be_used_is_known_before_the_launch(tmp_path: Path) -> None:
    logins = logins_of(tmp_path, "")
    refusal = await logins.problem()
    logins.close()
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, "key.pem" in refusal.message) == (Reason.SSH_KEY, True)
    write_key(tmp_path / "key.pem")
    assert await logins.problem() is None
    logins.close()
