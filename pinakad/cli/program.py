"""Run `pinakactl`: take the global options, call the command, and turn an error into a line and an exit code.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage or configuration, 70 a bug in pinakactl, 130 Ctrl-C.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pinakad import __version__
from pinakad.cli.console.faults import exit_code_of_error, text_of
from pinakad.cli.console.session import EXIT_USAGE, Session
from pinakad.client.errors import ClientError
from pinakad.printable import printable

EXIT_BUG = 70  # sysexits.h: EX_SOFTWARE
EXIT_INTERRUPTED = 130
_MAX_LINE = 4000

COMMANDS = {
    "demo": "Show the main job on this machine, with nothing else installed.",
    "status": "Tell what is running and how long it may take.",
    "apply": "Store node files and ask for their deployment.",
    "wait": "Wait for the verdict, and exit with it.",
    "retry": "Ask for a deployment once more.",
    "cancel": "Cancel the running deployment.",
    "reach": "Ask the daemon to try a login.",
    "retire": "Move a node's files aside.",
    "validate": "Tell every problem of node files, all at once.",
    "config": "Print every setting, its value, and where it came from.",
    "history": "Tell how the deployments ended, the newest first.",
    "show": "Tell what happened in a deployment, and when.",
    "logs": "Tell what was logged in a deployment.",
    "doctor": "Tell what would make the next deployment fail, before it does.",
    "metrics": "Print what Prometheus wants to know.",
    "simulate": "Run fake nodes on this machine, with scripted lives.",
    "web": "See and change who gets in by the front door.",
    "setup": "Make pinakad a service of this machine.",
    "completion": "Print what makes a shell complete commands, options, deployments and nodes.",
}
"""The commands in the order of `--help`, each with the first sentence of its own help. The module has the same name."""


class _LazyGroup(click.Group):
    """Imports a command when it is called: `pinakactl status` pays for nothing else."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"pinakad.cli.commands.{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a command's name without importing them all."""
        names = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*names, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - the same
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


_HELP = """See and steer the deployments of pinakad.

\b
  pinakactl demo                    see what pinakad does, on any machine
  pinakactl validate nodes/         check node files before they are used
  pinakactl status                  what is running right now?
  pinakactl status --json | jq .phase
  pinakactl doctor                  what would make the next deployment fail?
  pinakactl show                    what happened in the latest one, and when?
  pinakactl logs -f                 what do daemon and script say?
"""


@click.group(
    cls=_LazyGroup,
    help=_HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The daemon's configuration; default $PINAKAD_CONFIG, else /etc/pinakad/pinakad.toml.",
)
@click.option("--debug", is_flag=True, help="Tell everything, with the traceback of what failed.")
@click.version_option(__version__, prog_name="pinakactl")
@click.pass_context
def pinakactl(ctx: click.Context, config: Path | None, *, debug: bool) -> None:
    """Take the global options and call the command."""
    session = ctx.ensure_object(Session)
    session.config, session.debug = config, debug
    session.set_up_log()
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(EXIT_USAGE)


def main() -> None:
    """Run the program and end the process."""
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code; an error was written to stderr."""
    session = Session()
    try:
        code = pinakactl.main(arguments, prog_name="pinakactl", obj=session, standalone_mode=False)
        sys.stdout.flush()
    except click.Abort:  # click's word for Ctrl-C
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter flushes once more at its end
        return 1  # as click has it where it sees the pipe first
    except Exception as error:  # noqa: BLE001 - the boundary: whatever it is, it is reported in a line
        return _report(error, session)
    return code if isinstance(code, int) else 0


def _report(error: Exception, session: Session) -> int:
    if session.debug:
        traceback.print_exception(error)
    for line in _text(error).splitlines():
        click.echo(f"pinakactl: {printable(line, _MAX_LINE)}", err=True)
    return _exit_code_of(error)


def _exit_code_of(error: Exception) -> int:
    if isinstance(error, ClientError):
        return exit_code_of_error(error)
    if isinstance(error, click.ClickException):
        return error.exit_code
    return 1 if isinstance(error, OSError) else EXIT_BUG


def _text(error: Exception) -> str:
    if isinstance(error, ClientError):
        return text_of(error)
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "pinakactl"
        return f"{error.format_message().rstrip('.')}; see {path} --help"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        where = f"cannot use '{error.filename}': " if error.filename else ""
        return f"{where}{error.strerror.lower()}; --debug tells where that happened"
    return f"a bug in pinakactl: {type(error).__name__}: {error}; --debug tells where, please report it"
