"""What would make the next deployment fail? The checks of `pinakactl doctor`.

In reading order:

    account.py     whose rights count, and what this user may do
    context.py     what checks read, and what a finding is
    order.py       all checks, in the order in which they are shown
    service.py     the daemon, its installation, its state
    folders.py     the folders, and the room on their disks
    markers.py     markers that nobody serves, and what is in the way of an answer
    immovable.py   markers that the daemon could not remove
    script.py      the deployment script
    key.py         the SSH key and the host keys
    host.py        limits, and file system events
    front_door.py  who gets in by the front door
    nodes.py       the node files, and each node's answer right now
"""
