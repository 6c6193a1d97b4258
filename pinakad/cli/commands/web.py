"""The front door: the address with its token, and a new token."""

from pathlib import Path

import click

from pinakad.cli.console.session import FaultError, Session, pass_session
from pinakad.cli.install.web_token import new_token, read_token, write_token
from pinakad.printable import cause_of

PORT = 7425
_HELP = """See and change who gets in by the front door.

\b
  pinakactl web url                 the address to open in a browser, with the token
  pinakactl web token               the token alone, for programs (Authorization: Bearer)
  pinakactl web token --rotate      a new one; every session and every program with the old one is out

The token is behind `#` in the address: it comes into no log. From another desk go through SSH, which needs no token:

\b
  ssh -L 7425:/run/pinakad-web/http.sock CONTROLLER      then open http://localhost:7425/

`pinakactl setup --web` installs the front door.
"""


@click.group(name="web", help=_HELP)
def command() -> None:
    """Take the word behind it."""


@command.command(name="url", help="Print the address to open in a browser.")
@pass_session
def url(session: Session) -> None:
    """Print the address."""
    token = read_token(session.settings().web.token)
    click.echo(f"http://localhost:{PORT}/#token={token}")


@command.command(name="token", help="Print the token, or make a new one.")
@click.option("--rotate", is_flag=True, help="Make a new token; the old one and all sessions are void at once.")
@pass_session
def token(session: Session, *, rotate: bool) -> None:
    """Print or change the token."""
    path = session.settings().web.token
    if rotate:
        try:
            write_token(Path("/"), path.relative_to("/"), new_token())
        except OSError as error:
            raise FaultError(f"cannot write the token '{path}': {cause_of(error)}; ask with sudo") from error
    click.echo(read_token(path))
