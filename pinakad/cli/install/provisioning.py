"""The shipped deployment program as the deployment script, and the settings without which it would lose its sense."""

from collections.abc import Iterator
from pathlib import Path

from pinakad.config import DEFAULT_FILE, Config

READY_COMMAND = "sudo -n sh /var/lib/pinakad-node/agent confirm"


def provision_script(prefix: Path) -> str:
    """Return the deployment script that runs the program of the virtual environment at `prefix`."""
    return "\n".join(
        (
            "#!/bin/bash",
            "# By pinakactl setup --provision.",
            f'exec {prefix}/bin/pinakad-provision "$PINAKAD_NODES_DIR"',
            "",
        )
    )


def missing_settings(settings: Config) -> Iterator[str]:
    """Return a line for each setting that the operator has to add: a configuration is never changed for them."""
    poll = settings.poll
    if "pinakad-node/agent confirm" not in poll.ready_command:
        setting = f'ready_command = "{READY_COMMAND}"'
        yield f"in {DEFAULT_FILE}, [poll]: {setting}   (else every node goes back to its old network)"
    if poll.reboot != "require":
        yield f'in {DEFAULT_FILE}, [poll]: reboot = "require"   (a node is not confirmed before its reboot)'
