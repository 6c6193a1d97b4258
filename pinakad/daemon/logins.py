"""Makes the logins of one deployment, when they are needed: until then the key may be missing."""

import asyncio
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pinakad.config import SshSettings
from pinakad.linux.clock import now
from pinakad.login.key_file import SshKeyError
from pinakad.polling.vocabulary import AttemptResult, NodeReason
from pinakad.printable import cause_of
from pinakad.report.document import Policy
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.ssh.key_check import KeyCheck
from pinakad.ssh.prober import Prober, Target, open_host_keys
from pinakad.ssh.worker_pool import NoWorkerError, open_workers

log = logging.getLogger(__name__)

OLD_ADDRESS_LIMIT_S = 10.0
"""So long the verdict waits for nodes to answer at their old addresses."""

_OF_ROOTS_KEY = "; one that only root may read is handed over at the start: systemctl restart pinakad"


class Logins:
    """The logins of one deployment. `pinned` is the known_hosts file."""

    def __init__(self, policy: Policy, pinned: Path, ready_command: str | None, key_check: KeyCheck) -> None:
        """`ready_command` is "" for none, and None where there is one that cannot be read any more."""
        self._policy = policy
        self._ready_command = ready_command
        self._pinned = pinned
        self._key = policy.ssh.key or Path()
        self._key_check = key_check
        self._prober: Prober | None = None

    async def problem(self) -> Refusal | None:
        """Return why no login can be made, None where logins can be made."""
        try:
            await self._key_check.require_usable(self._key, self._get().workers)
        except (OSError, NoWorkerError) as error:  # it is tried again at every attempt
            log.warning("cannot begin to log in: %s; it is tried again", cause_of(error))
        except SshKeyError as error:
            hint = _OF_ROOTS_KEY if "CREDENTIALS_DIRECTORY" in os.environ else ""
            return Refusal(Reason.SSH_KEY, f"{error}{hint}")
        return None

    async def baselines(self, nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        """Ask every node once for its boot id, where it is to be and where it was before.

        The results have the order of `nodes`.
        """
        try:
            prober = self._get()
        except (SshKeyError, OSError) as error:  # the operator's known_hosts could be used when the checks were made
            return [_not_made(str(error)) for _ in nodes]
        elsewhere = [node for node in nodes if node.current not in (None, node.address)]
        targets = [_target(node, stalled=False) for node in nodes] + [_old_target(node) for node in elsewhere]
        results = await prober.baselines(targets)
        found, of_old = results[: len(nodes)], dict(zip(map(id, elsewhere), results[len(nodes) :], strict=True))
        return [_first_answer(result, of_old.get(id(node))) for node, result in zip(nodes, found, strict=True)]

    async def at_old_addresses(self, nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        """Make one attempt at the old address of each node; return the results in the order of `nodes`."""
        try:
            prober = self._get()
        except (SshKeyError, OSError) as error:
            return [_not_made(str(error)) for _ in nodes]
        return await prober.baselines([_old_target(node) for node in nodes], OLD_ADDRESS_LIMIT_S)

    async def attempt(
        self, node: NodeReport, stalled: bool, may_run_ready: Callable[[AttemptResult], bool]
    ) -> AttemptResult:
        """Make one attempt at a node; whatever goes wrong is in the result."""
        try:
            prober = self._get()
        except SshKeyError as error:  # it was there before the launch: it may come back
            return _not_made(str(error))
        except OSError as error:
            return _not_made(f"cannot begin to log in: {cause_of(error)}")
        if self._ready_command is None:
            return _not_made("the ready_command of this run cannot be read any more")
        judge = may_run_ready if self._ready_command else None
        return await prober.attempt(_target(node, stalled=stalled), may_run_ready=judge)

    def save_host_keys(self) -> None:
        """Write down the host keys that were pinned since the last time. Raises OSError."""
        if self._prober is not None:
            self._prober.host_keys.save()

    async def save_host_keys_beside(self) -> None:
        """Write them down in a thread, while nodes are polled. Raises OSError."""
        if self._prober is not None:
            write = self._prober.host_keys.write_of_changes()
            if write is not None:
                await asyncio.to_thread(write)

    def close(self) -> None:
        """Close what the logins opened, and end the login workers; the next login would start new ones."""
        if self._prober is not None:
            self._prober.close()
            self._prober = None

    def _get(self) -> Prober:
        if self._prober is None:
            ssh = self._policy.ssh
            host_keys = open_host_keys(self._pinned, ssh)
            self._prober = Prober(ssh, open_workers(self._key, ssh, self._ready_command or ""), host_keys)
        return self._prober


async def try_key(key: Path, settings: SshSettings, key_check: KeyCheck) -> None:
    """Find out whether the key can be used before a deployment needs to know, which then need not wait for it."""
    workers = open_workers(key, settings)
    try:
        await key_check.require_usable(key, workers)
    except (SshKeyError, NoWorkerError, OSError) as error:
        log.debug("the SSH key: %s", error)  # it may come before it is needed
    finally:
        workers.close()


def _not_made(cause: str) -> AttemptResult:
    return AttemptResult(now().boot_s, None, NodeReason.ERROR, cause, not_made=True)


def _target(node: NodeReport, *, stalled: bool) -> Target:
    return Target(node.address, node.port, node.user, stalled, node.fingerprints)


def _old_target(node: NodeReport) -> Target:
    return Target(node.current or node.address, node.port, node.user)


def _first_answer(result: AttemptResult, at_old: AttemptResult | None) -> AttemptResult:
    """Return what was found where the node is to be, else what was found where it was before."""
    return at_old if at_old is not None and result.reason is not None and at_old.reason is None else result
