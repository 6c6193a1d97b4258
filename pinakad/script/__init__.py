"""The deployment script: launched once, found again after any restart, ended.

script.py            the script of one deployment, for those who run it
run.py               what all parts of one run share
launch.py            the beginning: launched, adopted, or found again
ending.py            the end: waited for, or brought about
outcome.py           how a script was started, how it is, how it ended
launch_record.py     what is recorded of a launch, as the daemon reads and claims it
environment.py       can the file be run, and with which environment?
permissions.py       who else could change the script, or read the key?
foreign_runs.py      who else runs the script, and what comes of it
still_running.py     which deployments have processes, also without a record
processes.py         which processes belong to a run, and how they are ended
runners.py           the supervisor is started: as a process, or in a unit of systemd
bundle.py            the supervisor's program is made of the next four:
running_scripts.py   who runs a script, by /proc
records.py           `started`, `adopted`, `exit`: what is in them, and who may write them
output.py            where the script's output goes
supervisor.py        the program that outlives the daemon
launch_service.py    root's side: starts and stops units for the daemon
unit.py              root's side: what the unit runs
run_ledger.py        root's side: each deployment is run once
snapshot_copy.py     root's side: the node files that the script reads
"""
