"""What do all commands share: options, exit codes, errors, the screen?

In reading order:

    session.py   the global options, the configuration, and the errors of a command
    exits.py     which exit code stands for which verdict
    faults.py    an error of client/ -> its remedy and its exit code
    options.py   values of options that several commands take
    complete.py  what a shell offers for an ID or a NODE
    screen.py    texts and tables that can do nothing to the terminal
    stopping.py  a signal ends the work in an event loop
"""
