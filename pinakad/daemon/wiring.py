"""Which real parts does a deployment get: the script on disk, logins over SSH, the state folder, the boot clock?"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import gethostname

from pinakad.config import Config, readable_key
from pinakad.daemon.logins import Logins, try_key
from pinakad.deployment.dependencies import Dependencies
from pinakad.linux.clock import boot_id, now
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.reading import ParsedNodeFile
from pinakad.polling.node_poll import NodePoll
from pinakad.problems import Problem
from pinakad.report.document import Policy, Report
from pinakad.report.vocabulary import Reason, Refusal
from pinakad.script.outcome import Started
from pinakad.script.permissions import key_warnings, script_warnings
from pinakad.script.script import ScriptOnDisk
from pinakad.ssh.key_check import KeyCheck
from pinakad.state.report_file import ready_command
from pinakad.state.retry import WriteRetry
from pinakad.state.status_file import StatusFile
from pinakad.state.store import Store

_REPORT, _HOST_KEYS = "the report", "known_hosts"


class Wiring:
    """Makes what a deployment needs from outside: one deployment after the other. `config()` is in force now."""

    def __init__(
        self, config: Callable[[], Config], store: Store, status_file: StatusFile, write_retry: WriteRetry
    ) -> None:
        self._config = config
        self._store = store
        self._status_file = status_file
        self._write_retry = write_retry
        self._logins: Logins | None = None
        self._key_check = KeyCheck(time.time_ns)
        self.nodes = NodesFolder(config().nodes_dir)

    def dependencies_for(self, report: Report) -> Dependencies:
        """Return the real parts for one run, with the settings that it keeps."""
        self.close()
        command = ready_command(self._store.folder(report.id), report.policy.poll.ready_command)
        self._logins = logins = Logins(report.policy, self._store.known_hosts, command, self._key_check)
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
            await self._write_retry.until_done(
                "the snapshot", lambda: self._store.snapshot(report.id, files), in_thread=True
            )

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
            publish_progress=self._publish_progress,
            read_nodes=read_nodes,
            ignored_names=lambda: self.nodes.ignored,
            snapshot=snapshot,
            script=script,
            key_problem=logins.problem,
            loose_permissions=lambda: _loose(report.policy, script.path),
            baselines=logins.baselines,
            attempt=logins.attempt,
            at_old_addresses=logins.at_old_addresses,
        )

    async def try_key(self) -> None:
        """Try the configured key before a deployment needs it."""
        config = self._config()
        await try_key(readable_key(config), config.ssh, self._key_check)

    def close(self) -> None:
        """Close the logins of the last run."""
        if self._logins is not None:
            self._logins.close()

    async def _publish_progress(self, report: Report, polls: Sequence[NodePoll]) -> None:
        await self._status_file.publish_progress(report, polls)
        if self._logins is not None:
            with self._failed_host_keys_noted():
                await self._logins.save_host_keys_beside()

    def _publish(self, report: Report) -> None:
        self._status_file.publish(report)
        if self._logins is None:
            return
        with self._failed_host_keys_noted():
            self._logins.save_host_keys()
        if report.is_finished:  # keys that could not be written are not tried again
            self._write_retry.not_needed(_HOST_KEYS)
            self.close()

    @contextmanager
    def _failed_host_keys_noted(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._write_retry.failed(_HOST_KEYS, error)
        else:
            self._write_retry.succeeded(_HOST_KEYS)

    async def _save(self, report: Report, *, must: bool) -> None:
        save = partial(self._store.save, report)
        if must:
            await self._write_retry.until_done(_REPORT, save, in_thread=True)
            return
        try:
            await asyncio.to_thread(save)
        except OSError as error:
            self._write_retry.failed(_REPORT, error)
        else:
            self._write_retry.succeeded(_REPORT)


def _seen(report: Report) -> Started | None:
    """Return what the report has of the launch: the script can remove the files of the launch record."""
    script, launch = report.script, report.clock.launch
    if script is None or script.pid is None or launch is None:
        return None
    supervisor = script.supervisor_pid or 0, script.supervisor_start_ticks
    return Started(supervisor[0], script.pid, script.start_ticks, launch, supervisor[1], script.adopted)


def _loose(policy: Policy, script: Path) -> list[Problem]:
    """Return warnings about permissions. A script that runs in a unit of its own is that unit's business."""
    ours = policy.script.launch and policy.script.runner == "subprocess"
    return (script_warnings(script) if ours else []) + key_warnings(policy.ssh.key or Path())
