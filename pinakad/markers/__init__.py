"""The marker folder: what is asked, and what was answered.

names.py      the file names that other programs match on
request.py    a request is read and parsed, and has an identity
folder.py     the folder as an API, with a part for each task:
settling.py   when the writer of a request is done with it
answers.py    the answer gets its name
aside.py      a served request is set aside, put back, removed
removal.py    names are removed; what cannot be removed delays nothing else
clock.py      which time a touch would leave now
reach.py      questions whether a login at an address works
hints.py      names that are nearly a marker
"""
