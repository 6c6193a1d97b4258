"""Which real parts does a deployment get: the script on disk, logins over SSH, the state folder, the boot clock?"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from socket import gethostname

from pinakad.config import Config
from pinakad.deployment.dependencies import Dependencies
from pinakad.linux.clock import boot_id, now
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.selection import ParsedNodeFile
from pinakad.polling.vocabulary import AttemptResult, NodeReason
from pinakad.problems import Problem, cause_of
from pinakad.report.document import Policy, Report
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.script.outcome import Started
from pinakad.script.permissions import key_warnings, script_warnings
from pinakad.script.script import ScriptOnDisk
from pinakad.ssh.prober import Prober, SshKeyError, Target, load_key, open_host_keys
from pinakad.state.retry import WriteRetry
from pinakad.state.status_file import StatusFile
from pinakad.state.store import Store
from pinakad.times import Moment, wall_s

log = logging.getLogger(__name__)

_OF_ROOTS_KEY = "; one that only root may read is handed over at the start: systemctl restart pinakad"


class Logins:
    """The logins of one deployment; made when they are needed, because until then the key may be missing."""

    def __init__(self, policy: Policy, pinned: Path, ready_command: str | None) -> None:
        """`ready_command` is None where there is one, and it cannot be read any more."""
        self._policy = policy
        self._ready_command = ready_command
        self._pinned = pinned
        self._prober: Prober | None = None

    def problem(self) -> Refusal | None:
        """Return why nobody can be logged in to, None where somebody can."""
        try:
            self._get()
        except OSError as error:  # of a descriptor: it is tried again at every attempt
            log.warning("cannot begin to log in: %s; it is tried again", cause_of(error))
        except SshKeyError as error:
            hint = _OF_ROOTS_KEY if "CREDENTIALS_DIRECTORY" in os.environ else ""
            return Refusal(Reason.SSH_KEY, f"{error}{hint}")
        return None

    async def ask_baselines(self, nodes: Sequence[NodeReport]) -> list[AttemptResult]:
        """Ask every node once who it is."""
        try:
            prober = self._get()
        except (SshKeyError, OSError) as error:  # it was there when it was looked for
            return [_not_made(str(error)) for _ in nodes]
        return await prober.ask_baselines([_target(node, stalled=False) for node in nodes])

    async def attempt(self, node: NodeReport, stalled: bool) -> AttemptResult:
        """Make one attempt at a node."""
        try:
            prober = self._get()
        except SshKeyError as error:  # it was there before the launch: it may come back
            return _not_made(str(error))
        except OSError as error:
            return _not_made(f"cannot begin to log in: {cause_of(error)}")
        if self._ready_command is None:
            return _not_made("the ready_command of this run cannot be read any more")
        return await prober.attempt(_target(node, stalled=stalled), None, self._ready_command)

    def save_host_keys(self) -> None:
        """Write down the host keys that were pinned. Raises OSError."""
        if self._prober is not None:
            self._prober.host_keys.save()

    def close(self) -> None:
        """Let the threads go."""
        if self._prober is not None:
            self._prober.close()

    def _get(self) -> Prober:
        if self._prober is None:
            ssh = self._policy.ssh
            key = load_key(ssh.key or Path())
            self._prober = Prober(ssh, key, open_host_keys(self._pinned, ssh))
        return self._prober


class Wiring:
    """Makes what a deployment needs from outside."""

    def __init__(
        self, config: Callable[[], Config], store: Store, status_file: StatusFile, write_retry: WriteRetry
    ) -> None:
        self._config = config
        self._store = store
        self._status_file = status_file
        self._write_retry = write_retry
        self._logins: Logins | None = None
        self.nodes = NodesFolder(config().nodes_dir)

    def dependencies_for(self, report: Report) -> Dependencies:
        """Return the real parts for one run, with the settings that it keeps."""
        self.close()
        self._logins = logins = Logins(report.policy, self._store.known_hosts, self._store.ready_command(report))
        paths, settings = self._config(), report.policy.script
        script = ScriptOnDisk(
            self._store.folder(report.id),
            report.id,
            paths.script_path,
            paths.paths.work_dir,
            settings,
            expected=report.script,
            seen=_seen(report),
        )

        async def snapshot(files: Mapping[str, bytes]) -> None:
            await self._insist("the snapshot", lambda: self._store.snapshot(report.id, files))

        async def read_nodes() -> list[ParsedNodeFile] | Refusal:
            found = await self.nodes.read_for_good(allow_loopback=report.policy.ssh.allow_loopback)
            text = "the nodes folder cannot be read"
            return Refusal(Reason.NODES_UNREADABLE, f"{text}: {found}") if isinstance(found, str) else found

        return Dependencies(
            boot_id=boot_id(),
            host=gethostname(),
            now=now,
            save=self._save,
            publish=self._publish,
            publish_due=lambda: self._status_file.is_due,
            read_nodes=read_nodes,
            ignored_names=lambda: self.nodes.ignored,
            snapshot=snapshot,
            script=script,
            key_problem=logins.problem,
            loose_permissions=lambda: _loose(report.policy, script.path),
            ask_baselines=logins.ask_baselines,
            attempt=logins.attempt,
        )

    def close(self) -> None:
        """Let the parts of the last run go."""
        if self._logins is not None:
            self._logins.close()

    def _publish(self, report: Report) -> None:
        self._status_file.tell(report)
        if self._logins is not None:
            try:
                self._logins.save_host_keys()
            except OSError as error:
                self._write_retry.say(f"cannot write known_hosts: {cause_of(error)}")

    async def _save(self, report: Report, *, must: bool) -> None:
        if must:
            await self._insist("the report", lambda: self._store.save(report, durable=True))
            return
        try:
            await asyncio.to_thread(self._store.save, report, durable=True)
        except OSError as error:
            self._write_retry.say(f"cannot write the report: {cause_of(error)}")

    async def _insist(self, what: str, write: Callable[[], object]) -> None:
        while True:
            try:
                await asyncio.to_thread(write)
            except OSError as error:
                await self._write_retry.wait_out(what, error)
            else:
                self._write_retry.over()
                return


def _not_made(cause: str) -> AttemptResult:
    return AttemptResult(now().boot_s, None, NodeReason.ERROR, cause, not_made=True)


def _seen(report: Report) -> Started | None:
    """Return what the report knows of the start: the files that tell it can be removed by the script."""
    script, clock = report.script, report.clock
    if script is None or script.pid is None or clock.launched_boot_s is None:
        return None
    at = Moment(clock.boot_id, clock.launched_boot_s, wall_s(clock.launched_at) or 0.0)
    supervisor = script.supervisor_pid or 0, script.supervisor_start_ticks
    return Started(supervisor[0], script.pid, script.start_ticks, at, supervisor[1], script.adopted)


def _loose(policy: Policy, script: Path) -> list[Problem]:
    """The script of the other runner is its unit's business."""
    ours = policy.script.launch and policy.script.runner == "subprocess"
    return (script_warnings(script) if ours else []) + key_warnings(policy.ssh.key or Path())


def _target(node: NodeReport, *, stalled: bool) -> Target:
    return Target(node.address, node.port, node.user, stalled, node.fingerprints)
