"""What makes pinakad a service of a machine?

In reading order:

    installation.py  which file belongs where, with which text
    setup_checks.py  what is in the way of a setup
    backends.py      what else on the machine starts the deployment script
    provisioning.py  the shipped deployment program as the script
    web_token.py     the token of the front door
    changes.py       change files of a machine or an image, and print each change
"""
