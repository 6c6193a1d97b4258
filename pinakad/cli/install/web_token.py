"""The token of the front door: whoever has it may deploy."""

import os
import pwd
import secrets
from contextlib import suppress
from pathlib import Path

from pinakad.cli.console.session import FaultError
from pinakad.linux.files import NotRegularError, read_regular
from pinakad.linux.open_folder import folder_in
from pinakad.printable import cause_of

ACCOUNT = "pinakad-web"
_MODE = 0o640
_MAX_BYTES = 4096


def new_token() -> str:
    """Return a token: 256 bits."""
    return secrets.token_urlsafe(32)


def read_token(path: Path) -> str:
    """Return the token in a file. Raises FaultError."""
    try:
        return read_regular(path, _MAX_BYTES).decode("ascii").strip()
    except FileNotFoundError:
        text = f"there is no token in '{path}': pinakactl setup --web makes one, pinakactl web token --rotate another"
        raise FaultError(text) from None
    except (OSError, NotRegularError, UnicodeDecodeError) as error:
        cause = cause_of(error) if isinstance(error, OSError) else "it is no regular file of text"
        raise FaultError(f"cannot read the token '{path}': {cause}; ask with sudo") from None


def write_token(root: Path, place: Path, token: str) -> None:
    """Write a token, readable for root and the front door's account only. Raises OSError.

    `place` is relative to `root`. Old sessions end: their cookies were made with the old token.
    """
    with folder_in(root, place.parent, make=True) as folder:
        folder.write_whole(place.name, f"{token}\n".encode(), _MODE)
        with suppress(KeyError):  # by hand, without the account, it is the caller's
            if os.geteuid() == 0 and root == Path("/"):
                os.chown(folder.here / place.name, 0, pwd.getpwnam(ACCOUNT).pw_gid, follow_symlinks=False)
