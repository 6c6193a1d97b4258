"""Is the front door as it should be, where it is installed, and who gets in?"""

from collections.abc import Iterator
from pathlib import Path

from pinakad.cli.checks.context import CheckContext, Finding, fails, warning
from pinakad.cli.install.installation import WEB_SOCKET
from pinakad.cli.install.setup_checks import web_obstacles
from pinakad.linux.ownership import weakness

_SOCKET = Path("/run/pinakad-web/http.sock")


def front_door(context: CheckContext) -> Iterator[Finding]:
    """Where it is installed: does systemd listen, can it start, is there a token? And may anybody deploy?"""
    web = context.settings.web
    if web.compat.enabled:
        text = "[web.compat] is enabled: whoever reaches the front door as a page of "
        text += f"{', '.join(web.compat.origins)}, and every user of this machine, may deploy without credentials"
        yield warning(text, "let a reverse proxy ask who it is, and set enabled = false where nobody needs it")
    if not (Path("/") / WEB_SOCKET).exists():
        return
    for text in web_obstacles():
        yield warning(text, "/opt/pinakad/bin/pip install 'pinakad[web]'")
    if not _SOCKET.exists():
        yield warning("nobody listens for the front door", "systemctl enable --now pinakad-web.socket")
    if not web.token.exists():
        yield warning(f"there is no token in '{web.token}': nobody gets in by TCP", "pinakactl web token --rotate")
    else:
        found = weakness(web.token)
        if found is not None:
            yield fails(f"the token is not trusted: {found}", f"chown root:pinakad-web '{web.token}'")
