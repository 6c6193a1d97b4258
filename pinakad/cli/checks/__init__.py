"""What would make the next deployment fail? Small functions, each of which looks at one thing and changes nothing.

scene.py      what all of them look at, and whose rights count
folders.py    the folders, their rights, and the room that is left
program.py    the deployment script, and who else could change or run it
key.py        the SSH key and the host keys
host.py       limits of this host, and whether file system events come
service.py    the daemon, its installation, its markers and its state
immovable.py  the names of the marker folder that the daemon could not remove
nodes.py      the node files, and each node right now
"""

from pinakad.cli.checks import folders, host, key, nodes, service
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
    Check("markers", "none lies around that nobody serves", service.markers),
    Check("state", "every unfinished deployment can be gone on with", service.state),
)
"""Every check in the order in which it is told: its name, what is so where it finds nothing, and what looks."""
