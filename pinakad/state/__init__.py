"""What is written down in the state folder, and what readers see of it.

crash_points.py   the steps between which a crash loses nothing and does nothing twice
store.py          the state folder: the record of each deployment
report_file.py    a report on the disk, so that a power cut leaves the last durable one
summaries.py      the summaries of reports, for lists
served.py         which requests were taken and are not known to be gone
folders.py        the folders are made, and made again where somebody else removed them
removal.py        deployments are removed whole
pruning.py        which deployments need not be kept
status_file.py    status.json, for readers
metrics_file.py   the same facts as numbers, for Prometheus
troubles.py       what does not work at the moment
retry.py          a write that fails is repeated until it succeeds
"""
