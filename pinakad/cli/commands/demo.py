"""Show the main job on this machine, with nothing else installed: the real daemon, and nodes that really go away."""

import asyncio
from pathlib import Path

import click
from rich.console import Console

from pinakad.cli.console.screen import columns, open_console, plain, show, show_table
from pinakad.cli.console.session import FaultError, Session, pass_session
from pinakad.cli.console.stopping import unless_stopped
from pinakad.cli.rehearsal.child import Child, log_end
from pinakad.cli.rehearsal.front_door import FrontDoor
from pinakad.cli.rehearsal.progress import Progress, View
from pinakad.cli.rehearsal.sandbox import DEMO_NODES, Sandbox
from pinakad.report.document import Report
from pinakad.report.node import NodeReport
from pinakad.report.vocabulary import Outcome
from pinakad.simulate.rack import Rack, free_port
from pinakad.times import wall_s

LIMIT_S = 60.0
"""A demo that has no answer by then is a bug, and ends."""
_REFRESH_S = 0.1
_LOG_LINES = 20
_STYLES = {Outcome.COMPLETED: "bold green", Outcome.FAILED: "bold red", Outcome.CANCELLED: "bold yellow"}
_HELP = """Show the main job on this machine, with nothing else installed.

\b
  pinakactl demo
  pinakactl demo --keep        look at its folder afterwards
  pinakactl demo --web         look at it in a browser, and deploy again; until Ctrl-C
  pinakactl demo | cat         plain lines

The real daemon is started on a throw-away folder, with five simulated nodes that answer SSH on addresses of this
machine. A deployment script tells them to reboot; they go away and come back, one of them reinstalled and one late;
at the end the daemon's answer is shown. It takes about ten seconds, needs no root, no sshd and no systemd, and leaves
nothing behind. The exit code is 0 if the deployment completed, else 1.
"""


@click.command(help=_HELP)
@click.option("--keep", is_flag=True, help="Keep the folder, with the answer, the report and the daemon's log.")
@click.option("--web", is_flag=True, help="Serve the page for this deployment, until Ctrl-C.")
@pass_session
def command(session: Session, *, keep: bool, web: bool) -> int:  # noqa: ARG001 - every command has the session
    """Run the demo."""
    code = asyncio.run(unless_stopped("the demo", _demo(open_console(), keep=keep, web=web)))
    click.get_current_context().exit(code)


async def _demo(console: Console, *, keep: bool, web: bool) -> int:
    sandbox = Sandbox()
    try:
        with Progress(console) as progress:
            path, report = await _play(sandbox, progress, web=web)
            took_s = progress.elapsed_s
        _print_answer(console, report)
        _print_places(console, sandbox, path, report, took_s=took_s, keep=keep)
        if report.outcome is not Outcome.COMPLETED:
            _print_log(console, sandbox.log)
    finally:
        if not keep:
            await sandbox.close()
    return 0 if report.outcome is Outcome.COMPLETED else 1


async def _play(sandbox: Sandbox, progress: Progress, *, web: bool) -> tuple[Path, Report]:
    """Run the story: the nodes are up, the daemon is ready, a request is made, the answer comes.

    With `web` it goes on until it is stopped: the page can ask for more.
    """
    async with Rack(sandbox.prepare()) as rack:
        sandbox.write_script(rack.control_port)
        port = rack.nodes[0].port
        progress.say(f"everything happens in {sandbox.root}")
        progress.say(
            f"{len(rack.nodes)} nodes answer SSH on {DEMO_NODES[0].address} to {DEMO_NODES[-1].address}, port {port}"
        )
        async with Child(sandbox.config, sandbox.state, sandbox.runtime, sandbox.log) as child:
            await child.ready()
            progress.say(f"the daemon is ready, pid {child.pid}")
            if web:
                async with _front_door(sandbox) as door:
                    progress.say(f"open {door.url}")
                    await _ask(sandbox, child, rack, progress)
                    progress.say(f"the page is there until Ctrl-C: {door.url}")
                    await child.ended()
            return await _ask(sandbox, child, rack, progress)


def _front_door(sandbox: Sandbox) -> FrontDoor:
    port = free_port(["127.0.0.1"])
    return FrontDoor(sandbox.config, sandbox.state, sandbox.runtime, sandbox.token, port)


async def _ask(sandbox: Sandbox, child: Child, rack: Rack, progress: Progress) -> tuple[Path, Report]:
    marker = sandbox.request()
    progress.say(f"a front end asks for the deployment: touch {marker.relative_to(sandbox.root)}")
    return await _follow(sandbox, child, rack, progress)


async def _follow(sandbox: Sandbox, child: Child, rack: Rack, progress: Progress) -> tuple[Path, Report]:
    deadline_s = progress.elapsed_s + LIMIT_S
    while (answer := sandbox.answer()) is None:
        child.check()
        if progress.elapsed_s > deadline_s:
            raise FaultError(f"there was no answer within {LIMIT_S:g} s; the daemon says:\n{log_end(sandbox.log)}")
        progress.show(View(rack.nodes, sandbox.report()))
        await asyncio.sleep(_REFRESH_S)
    progress.show(View(rack.nodes, answer[1]))
    progress.say(f"the request is gone, and the answer is there: {answer[0].name}")
    return answer


# --- the answer


def _print_answer(console: Console, report: Report) -> None:
    console.print()
    style = _STYLES.get(report.outcome, "") if report.outcome else ""
    reason = f" ({report.reason})" if report.reason else ""
    show(console, plain(f"{report.outcome}{reason}: ", style), plain(report.message))
    console.print()
    table = columns("node", "address", "attempts", "up at", "rebooted", "host key", "the machine")
    about = {actor.hostname: actor.about for actor in DEMO_NODES}
    for node in report.nodes:
        cells = (node.hostname, node.address, node.attempts, _up_text(report, node), _reboot_text(node))
        table.add_row(*map(plain, cells), plain(node.host_key or "-"), plain(about.get(node.hostname, ""), "dim"))
    show_table(console, table)


def _print_places(
    console: Console, sandbox: Sandbox, answer: Path, report: Report, *, took_s: float, keep: bool
) -> None:
    places = {
        "answer": answer,
        "report": sandbox.state / "deployments" / report.id / "report.json",
        "script's output": sandbox.state / "deployments" / report.id / "script.log",
        "daemon's log": sandbox.log,
    }
    console.print()
    for name, path in places.items():
        show(console, plain(f"{name:<17}", "dim"), plain(path.relative_to(sandbox.root)))
    ends = "is kept" if keep else "is removed again (--keep keeps it)"
    show(console, plain(f"It took {took_s:.1f} s. {sandbox.root} {ends}."))


def _print_log(console: Console, log: Path) -> None:
    show(console, plain("The daemon's log ends with:"))
    for line in log_end(log, _LOG_LINES).splitlines():
        show(console, plain(f"  {line}", "dim"))


def _up_text(report: Report, node: NodeReport) -> str:
    up_s, launched_s = wall_s(node.up_at), wall_s(report.clock.launched_at)
    return "-" if up_s is None or launched_s is None else f"{up_s - launched_s:.1f} s"


def _reboot_text(node: NodeReport) -> str:
    if node.rebooted is None:
        return "not known"
    proof = {"boot_id": "new boot id", "uptime": "short uptime"}.get(node.reboot_evidence or "", "")
    return f"yes, {proof}" if node.rebooted else "no"
