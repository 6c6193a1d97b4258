"""What Linux offers and Python does not wrap, and what systemd is told.

clock.py         seconds since the boot, and the id of that boot
loop.py          an event loop on that clock
waiting.py       wait for an event with a timeout
threads.py       work beside the loop, also where hardly any thread is left
shortage.py      errors that say that this machine lacks something
limits.py        open files, memory, garbage collection
calls.py         system calls that Python does not have, and a new file written whole
files.py         files that are there whole or not at all, whatever crashes
locks.py         locks of a daemon, of a state folder, of a supervisor
leases.py        has any process a file open for writing?
ownership.py     who, other than root, could change what is found under a path?
access_list.py   who else may use a file by its access control list (acl(5))
rights.py        act with another user's rights for a moment
walk.py          open a folder step by step, with each link checked before it is followed
open_folder.py   a folder that is open: what is done in it stays in it
lock_file.py     a lock on a folder that only those can hold who may write in it
watch.py         file system events become one wake-up
journal.py       log records with fields to the journal
notify.py        ready, alive, status: what systemd is told
"""
