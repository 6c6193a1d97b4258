"""The program `pinakactl`: what people ask of a deployment, and how each answer is shown.

    __main__.py   python -m pinakad.cli
    program.py    global options, the list of commands, and what happens to an error
    console/      the session, its options and exit codes, and texts that are safe for a terminal
    views/        a deployment on the screen
    install/      what belongs onto a machine, and what is in the way of it
    checks/       what doctor checks
    rehearsal/    a daemon and simulated nodes in a folder of their own
    commands/     one file a command, imported when it is called

Imports point down: commands, then checks and rehearsal, then views and install, then console; no command imports
another.
"""
