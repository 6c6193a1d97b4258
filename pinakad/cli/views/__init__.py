"""How is a deployment shown?

In reading order:

    overview.py    on one screen
    watching.py    while it goes on, live or a line for each change
    verdict.py     its progress in one line, and its verdict
    script_log.py  the output of its script
"""
