"""Generates files from the programs: `python -m pinakad.generate` writes them all.

schema.py        the JSON Schemas of report, request and node file, from the models
openapi.py       the description of the front door's interface, from its table of paths and its models
catalog.py       the journal catalog, from the events
manual.py        the manual pages, from help, options and settings
manual_web.py    the texts of the front door's page
manual_text.py   the texts of the manual pages that belong to no option and no setting
roff.py          the markup of the manual pages
__main__.py      the command
"""
