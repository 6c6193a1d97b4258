"""Rehearse without hardware: nodes on this machine that answer SSH, reboot, and misbehave as their script says."""

import asyncio
import os
from pathlib import Path

import click
from rich.console import Console

from pinakad.cli.console.options import duration
from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import FaultError, Session, WrongUseError, pass_session
from pinakad.cli.console.stopping import unless_stopped
from pinakad.cli.rehearsal.progress import Progress, View
from pinakad.cli.rehearsal.sandbox import REQUEST, Sandbox
from pinakad.cli.rehearsal.scenarios import cast, table
from pinakad.linux.ownership import weakness
from pinakad.login.key_file import SshKeyError
from pinakad.simulate.node import SimulatedNode
from pinakad.simulate.rack import CONTROL_ADDRESS, Rack, is_free

_REFRESH_S = 0.2
_HELP = f"""Run fake nodes on this machine, with scripted lives.

\b
  pinakactl simulate                                    three that behave
  pinakactl simulate ordinary=9 slow=2 never-back
  pinakactl simulate late-keys --trouble 60s --for 10m
  pinakactl simulate never-back --key /home/pinakasupport/.pinaka_wd/key/ps_key.pem --node-files /tmp/nodes

They answer SSH on addresses 127.0.2.1, 127.0.2.2, ... and really go away and come back when they are ordered to reboot.
A folder with all that a daemon needs is made for them: node files, key, script and configuration; how to start one on
it is printed, and so is how to point a daemon of your own at the nodes. It runs until Ctrl-C, or for --for.

{table()}

\b
Exit codes: 0 after --for, 1 they cannot be had, 2 wrong usage, 130 stopped by Ctrl-C
"""


@click.command(name="simulate", help=_HELP)
@click.argument("lives", nargs=-1, metavar="[LIFE[=NUMBER]]...")
@click.option("--for", "limit_s", type=duration, metavar="DURATION", help="End by itself after 90, 20m or 2h.")
@click.option("--down", "down_s", type=duration, metavar="DURATION", help="How long a reboot takes; default 2 s.")
@click.option("--trouble", "trouble_s", type=duration, metavar="DURATION", help="How long what is wrong lasts.")
@click.option(
    "--into", type=click.Path(path_type=Path), metavar="DIR", help="Use and keep this folder; it is to be new."
)
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="A private key that they let in.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Their SSH port; default: any that is free.")
@click.option("--node-files", type=click.Path(path_type=Path), metavar="DIR", help="Write their node files here too.")
@pass_session
def command(
    session: Session,  # noqa: ARG001 - every command has the session
    lives: tuple[str, ...],
    limit_s: float | None,
    down_s: float | None,
    trouble_s: float | None,
    into: Path | None,
    key: Path | None,
    port: int | None,
    node_files: Path | None,
) -> None:
    """Simulate."""
    actors = cast(lives or ("ordinary=3",), down_s, trouble_s)
    if into is not None and into.exists() and any(into.iterdir()):
        raise WrongUseError(f"cannot use the folder '{into}': it is not empty; name a new one")
    for folder in filter(None, (into, node_files)):
        _require_own(folder)
    sandbox = Sandbox(actors, into)
    if node_files is not None:
        node_files.mkdir(parents=True, exist_ok=True)
        sandbox.write_nodes(node_files)
    key = key.resolve() if key else None
    work = _simulate(open_console(), sandbox, key, port, limit_s, keep=into is not None)
    click.get_current_context().exit(asyncio.run(unless_stopped("the simulation", work)))


def _require_own(folder: Path) -> None:
    """Root writes by names, and not where somebody else could make these lead elsewhere. Raises WrongUseError."""
    if os.getuid() != 0:
        return
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    found = weakness(there)
    if found is not None:
        raise WrongUseError(f"cannot write in '{folder}' as root: {found}; name a folder of root's, or go without root")


async def _simulate(
    console: Console, sandbox: Sandbox, key: Path | None, port: int | None, limit_s: float | None, *, keep: bool
) -> int:
    try:
        async with Rack(_nodes(sandbox, key, port)) as rack:
            sandbox.write_script(rack.control_port)
            _print(console, sandbox, rack, keep=keep)
            with Progress(console) as progress:
                await _go_on(sandbox, rack, progress, limit_s)
    finally:
        if not keep:
            await sandbox.close()
    return 0


def _nodes(sandbox: Sandbox, key: Path | None, port: int | None) -> list[SimulatedNode]:
    if port is not None and not is_free([actor.address for actor in sandbox.cast], port):
        raise FaultError(f"cannot use port {port} on the addresses of the nodes; leave --port out, or name another")
    try:
        return sandbox.prepare(key, port)
    except SshKeyError as error:
        raise FaultError(str(error)) from error


async def _go_on(sandbox: Sandbox, rack: Rack, progress: Progress, limit_s: float | None) -> None:
    while limit_s is None or progress.elapsed_s < limit_s:
        progress.show(View(rack.nodes, sandbox.report()))
        await asyncio.sleep(_REFRESH_S)


def _print(console: Console, sandbox: Sandbox, rack: Rack, *, keep: bool) -> None:
    rows = columns("node", "address", "after an order to reboot it")
    for actor in sandbox.cast:
        rows.add_row(plain(actor.hostname), plain(actor.address), plain(actor.about))
    show_table(console, rows)
    port, marker = rack.nodes[0].port, sandbox.markers / REQUEST
    ends = "is kept" if keep else "is removed at the end"
    lines = (
        "",
        f"{len(rack.nodes)} nodes answer SSH on port {port}; {sandbox.root} {ends}",
        "",
        "A daemon for them, in another terminal:",
        (
            f"  export STATE_DIRECTORY='{sandbox.state}' RUNTIME_DIRECTORY='{sandbox.runtime}'"
            f" PINAKAD_CONFIG='{sandbox.config}'"
        ),
        f"  pinakad & touch '{marker}'; pinakactl status --watch",
        "",
        "Or a daemon of your own, with this in its configuration:",
        f"  [ssh] allow_loopback = true, port = {port}, key = '{sandbox.key}'",
        f"  pinakactl apply '{sandbox.nodes_dir}'/*.json --wait",
        f"  its script orders a reboot so: echo 'reboot NODE' > /dev/tcp/{CONTROL_ADDRESS}/{rack.control_port}",
        "",
    )
    for line in lines:
        show(console, plain(line))
