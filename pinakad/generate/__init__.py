"""Files that are made from the programs: `python -m pinakad.generate` writes them all.

schema.py        the JSON Schemas of report, request and node file, from the models
catalog.py       the journal catalog, from the events
manual.py        the manual pages, from help, options and settings
manual_text.py   what the pages say that no option and no setting says
roff.py          the pages' markup
__main__.py      the one command
"""
