"""What Linux offers and Python does not wrap.

access_list.py   who else may use a file by its access control list (acl(5))
calls.py         calls that Python does not offer, and a new file written whole
rights.py        act with another user's rights for a moment
walk.py          open a folder step by step, with each link looked at before it is followed
open_folder.py   a folder that is open: what is done in it stays in it, whatever its path leads to meanwhile
lock_file.py     a lock on a folder that only those can hold who may write in it
threads.py       work beside the loop, also where hardly any thread is left
"""
