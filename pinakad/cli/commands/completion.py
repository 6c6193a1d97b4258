"""How does a shell learn to complete what is typed after pinakactl?"""

import click
from click.shell_completion import get_completion_class

from pinakad.cli.console.session import FaultError, Session, pass_session

_VARIABLE = "_PINAKACTL_COMPLETE"
SHELLS = ("bash", "zsh", "fish")

_HELP = """Print what makes a shell complete commands, options, deployments and nodes.

\b
  pinakactl completion bash > /etc/bash_completion.d/pinakactl
  pinakactl completion fish > ~/.config/fish/completions/pinakactl.fish
  eval "$(pinakactl completion bash)"       for one shell, or in ~/.bashrc
  eval "$(pinakactl completion zsh)"        the same, or in ~/.zshrc
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
@pass_session
def command(session: Session, shell: str) -> None:  # noqa: ARG001 - every command has the session
    """Print the script."""
    kind = get_completion_class(shell)
    if kind is None:
        raise FaultError(f"cannot complete in {shell}: this version of click does not know it")
    program = click.get_current_context().find_root().command
    click.echo(kind(program, {}, "pinakactl", _VARIABLE).source())
