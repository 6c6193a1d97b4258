"""Are the node files good, and how does each node answer right now?"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.login.key_file import SshKeyError
from pinakad.login.keys import load_key
from pinakad.nodes.folder import NodesFolder
from pinakad.nodes.selection import Node, NodeSet, ignored_text, select_nodes
from pinakad.polling.baseline import Baseline
from pinakad.polling.vocabulary import AttemptResult
from pinakad.printable import cause_of
from pinakad.problems import Severity
from pinakad.ssh.prober import Prober, Target, open_host_keys
from pinakad.ssh.worker_pool import open_workers
from pinakad.state.store import Store

_REACH_LIMIT_S = 20.0
_SHOWN = 5


def files(context: CheckContext) -> Iterator[Finding]:
    """Would the node files that are there now be taken?"""
    folder, account = context.settings.nodes_dir, context.account
    nodes = NodesFolder(folder)
    try:
        found = _read(context, nodes)
    except PermissionError:
        raise  # our own rights say nothing about the daemon's
    except OSError as error:
        yield fails(f"cannot read the node files in '{folder}': {cause_of(error)}", "see the folders above")
        return
    if not found.nodes and not found.problems:
        text = f"there is no node file (node_<digits>.json) in '{folder}': a deployment would fail with no_nodes"
        text += f"; {ignored_text(nodes.ignored)}" if nodes.ignored else ""
        yield fails(text, f"put them there; to check a draft: pinakactl validate FILE {quote(str(folder))}")
    yield from _problems(found, folder)
    for name in found.files:
        obstacle = _obstacle(context, name)
        if obstacle:
            yield fails(f"cannot read '{name}': {obstacle}", f"chown {account.name} {quote(str(folder / name))}")
    yield from _superseded(found)


def _problems(found: NodeSet, folder: Path) -> Iterator[Finding]:
    for problem in found.problems:
        weight = fails if problem.severity is Severity.ERROR else warning
        place = quote(str(folder / problem.file))
        yield weight(problem.line(), f"mend it, and try: pinakactl validate {quote(str(folder))} ({place})")


def _superseded(found: NodeSet) -> Iterator[Finding]:
    if found.superseded:
        text = ", ".join(f"{entry.file} by {entry.by}" for entry in found.superseded[:_SHOWN])
        more = f" and {len(found.superseded) - _SHOWN} more" if len(found.superseded) > _SHOWN else ""
        yield warning(f"files are superseded by later ones of the same host: {text}{more}", "none is needed; rm them")


def read(context: CheckContext) -> NodeSet:
    """Return what the node files say together. Raises OSError."""
    return _read(context, NodesFolder(context.settings.nodes_dir))


def _read(context: CheckContext, nodes: NodesFolder) -> NodeSet:
    ssh = context.settings.ssh
    return select_nodes(nodes.scan(allow_loopback=ssh.allow_loopback), ssh_port=ssh.port)


def _obstacle(context: CheckContext, name: str) -> str | None:
    try:
        return context.account.obstacle(context.settings.nodes_dir / name, os.R_OK)
    except FileNotFoundError:
        return None


def reach(context: CheckContext) -> list[tuple[Node, AttemptResult]] | str:
    """Make one attempt at each node, as a deployment would; return what it found, or why none can be made.

    Nothing is remembered of it: no host key is pinned.
    """
    settings = context.settings
    try:
        nodes = read(context).nodes
        load_key(settings.key_path)  # what is wrong with it is said once, not for each node
        host_keys = open_host_keys(Store(context.state_dir).known_hosts, settings.ssh)
    except OSError as error:
        return f"cannot read the node files: {cause_of(error)}"
    except SshKeyError as error:
        return str(error)

    async def ask() -> list[AttemptResult]:
        command, ssh = settings.poll.ready_command, settings.ssh
        prober = Prober(ssh, open_workers(settings.key_path, ssh, command), host_keys)
        cut_s = asyncio.get_running_loop().time() + _REACH_LIMIT_S
        asked = (
            prober.attempt(_target(context, node), cut_s, may_run_ready=_is_it(node) if command else None)
            for node in nodes
        )
        try:
            return await asyncio.gather(*asked)
        finally:
            prober.close()

    return list(zip(nodes, asyncio.run(ask()), strict=True))


def unreached(context: CheckContext, answers: Sequence[tuple[Node, AttemptResult]]) -> Iterator[Finding]:
    """Return a warning for each node that would not count as up now. Before a deployment that may be right."""
    key = quote(str(context.settings.key_path))
    for node, result in answers:
        if result.reason is not None:
            said = f" ({result.message})" if result.message else ""
            text = f"{node.hostname} at {node.address} got to {result.rung or 'nothing'}: {result.reason}{said}"
            target = _target(context, node)
            yield warning(text, f"see what ssh says: ssh -v -i {key} -p {target.port} {target.user}@{target.address}")


def _is_it(node: Node) -> Callable[[AttemptResult], bool]:
    """The ready_command may confirm something: it is run on no machine that names itself otherwise."""
    baseline = Baseline(node.hostname)
    return lambda result: baseline.names_itself(result.hostname)


def _target(context: CheckContext, node: Node) -> Target:
    ssh = context.settings.ssh
    return Target(node.address, node.port or ssh.port, node.user or ssh.user)
