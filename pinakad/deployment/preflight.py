"""What is checked before the launch: the request, the node files, the script, the key, and who the nodes are now."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pinakad.deployment import transitions, verdict
from pinakad.deployment.dependencies import Dependencies
from pinakad.deployment.record import RunRecord
from pinakad.deployment.verdict import Verdict
from pinakad.events import Event
from pinakad.nodes.selection import NodeSet, no_node_file_text, select_nodes
from pinakad.polling.vocabulary import AttemptResult
from pinakad.problems import Problem, Severity, has_errors
from pinakad.report.node import NodeReport, node_reports, superseded_parts
from pinakad.report.vocabulary import Reason, Refusal

log = logging.getLogger(__name__)


class Preflight:
    """The checks of one run. A verdict from one of them means that nothing is launched."""

    def __init__(self, record: RunRecord, dependencies: Dependencies) -> None:
        self._record = record
        self._dependencies = dependencies

    async def validate(self) -> Verdict | None:
        """Check all that could forbid the launch, and take the nodes over; return the verdict that does, None for none.

        The order of the checks, of which the first to fail gives the verdict: request, node files, script, key.
        """
        report = self._record.report
        if has_errors(report.problems):  # of the request: written down when the request was taken
            return verdict.refused(Reason.INVALID_REQUEST, report.problems)
        files = await self._dependencies.read_nodes()
        if isinstance(files, Refusal):
            return verdict.failed(files)
        asked = report.request.nodes
        found = select_nodes(files, None if asked is None else frozenset(asked), ssh_port=report.policy.ssh.port)
        wrong = verdict.request_problems(asked, files, found)
        if wrong:
            return self._refused(Reason.INVALID_REQUEST, wrong)
        if not files:
            return verdict.failed(Refusal(Reason.NO_NODES, no_node_file_text(self._dependencies.ignored_names())))
        self._record.report = transitions.superseded(self._record.report, superseded_parts(found.superseded))
        if not found.ok:
            return self._refused(Reason.INVALID_NODES, found.problems)
        return await self._accept(found)

    async def take_baselines(self) -> None:
        """Ask every node for its boot id before anything is done to it: later answers are compared with it."""
        nodes = self._record.report.nodes
        results: Sequence[AttemptResult | None] = [None] * len(nodes)
        if self._record.report.policy.poll.reboot != "ignore":
            async with self._foreign_run_is_adopted():
                results = await self._dependencies.baselines(nodes)
            self._record.asked_s = self._dependencies.now().boot_s
        nodes = [self._with_baseline(node, result) for node, result in zip(nodes, results, strict=True)]
        self._record.report = transitions.asked(self._record.report, nodes)

    async def _accept(self, found: NodeSet) -> Verdict | None:
        """Take over the nodes, check the script and the key, and write the snapshot: only the snapshot counts then."""
        record, script = self._record, self._dependencies.script
        nodes = node_reports(found.nodes, record.report.policy.ssh)
        record.report = transitions.accepted(record.report, nodes, found.problems)
        refusal = (script.problem() if script else None) or await self._dependencies.key_problem()
        if refusal is not None:
            return verdict.failed(refusal)
        for warning in self._dependencies.loose_permissions():
            log.warning("%s", warning.line(), extra=record.fields(Event.PROBLEM, reason=warning.code))
            record.warn(warning)
        if script is not None and record.report.policy.script.launch:
            part, warnings = script.prepare()
            record.report = transitions.script_prepared(record.report, part, warnings)
        await self._dependencies.snapshot(found.files)
        return None

    @asynccontextmanager
    async def _foreign_run_is_adopted(self) -> AsyncIterator[None]:
        """While the block runs, adopt a run of the script that somebody else begins, however short the run is."""
        async with asyncio.TaskGroup() as group:
            watch = None
            if self._dependencies.script is not None:
                watch = group.create_task(self._dependencies.script.watch_for_foreign_run(), name="foreign run")
            yield
            if watch is not None:
                watch.cancel()

    def _refused(self, reason: Reason, problems: Sequence[Problem]) -> Verdict:
        for problem in problems:  # errors of two files together were not logged when the files arrived
            if problem.severity is Severity.ERROR:
                extra = self._record.fields(Event.PROBLEM, node_file=problem.file, reason=problem.code)
                log.error("%s", problem.line(), extra=extra)
        self._record.warn(*problems)
        return verdict.refused(reason, problems)

    def _with_baseline(self, node: NodeReport, result: AttemptResult | None) -> NodeReport:
        same_name = node.hostname.split(".")[0].lower() == self._dependencies.host.split(".")[0].lower()
        if result is None or (result.boot_id, result.host_key, result.hostname) == (None, None, None):
            return node.but(this_host=True) if same_name else node
        return node.but(
            this_host=same_name or result.boot_id == self._dependencies.boot_id,
            boot_id_before=result.boot_id,
            host_key=result.host_key,
            reported_hostname=result.hostname,
        )
