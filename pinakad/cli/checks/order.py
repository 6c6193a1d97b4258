"""Every check of doctor, in the order in which its result is shown."""

from pinakad.cli.checks import folders, front_door, host, key, markers, nodes, service
from pinakad.cli.checks import script as program
from pinakad.cli.checks.context import Check

CHECKS = (
    Check("configuration", "only those may change it who may decide what runs", service.configuration),
    Check("daemon", "it runs, is of this version, and sees events", service.daemon),
    Check("launcher", "who starts the script's unit for the daemon listens", service.launcher),
    Check("installation", "the installed units are those of this version", service.installation),
    Check("folders", "they are there, and the daemon may use them", folders.rights),
    Check("room", "there is room on the disks", folders.room),
    Check("script", "it is there, can be run, and nobody else runs it", program.script),
    Check("key", "it is there and can be used, and so are the host keys", key.key),
    Check("limits", "open files and watches suffice", host.limits),
    Check("watches", "a canary of our own came back as an event", host.watches),
    Check("node files", "they are good", nodes.files),
    Check("markers", "none lies around that nobody serves", markers.markers),
    Check("front door", "it listens where it is installed, and asks for credentials", front_door.front_door),
    Check("state", "every unfinished deployment can be gone on with", service.state),
)
"""Each with its name, what is so where it finds nothing, and the function that checks."""
