"""What Linux offers and Python does not wrap, and the notifications to systemd.

clock.py         seconds since the boot, and the id of that boot
loop.py          an event loop on that clock
waiting.py       wait for an event with a timeout
threads.py       run work beside the loop, even where no thread is left
shortage.py      does an error mean that this machine lacks something?
limits.py        what may this process use? Open files, memory, garbage collection
calls.py         system calls that Python does not wrap
files.py         write files completely or not at all, whatever crashes
locks.py         is there a daemon for a folder, a supervisor for a run? Locks answer
leases.py        has any process a file open for writing?
ownership.py     who, other than root, could change what is found under a path?
access_list.py   who else may use a file by its access control list (acl(5))
landlock.py      take rights away from this process for good
rights.py        act with another user's rights for a moment
walk.py          open a folder step by step, with each link checked before it is followed
open_folder.py   operations in an open folder, which its path cannot redirect
lock_file.py     a lock on a folder, for processes that may write in it
watch.py         file system events become one wake-up
journal.py       send log records with fields to the journal
notify.py        notify systemd: ready, alive, status
"""
