"""The file names of the marker folder, which other programs match on."""

REQUEST = "deployment_in_progress"
CANCEL = "deployment_cancel"
COMPLETED = "deployment_completed"
FAILED = "deployment_failed"
OURS = ".pinakad-"
AWAY = OURS + "away-"
"""Begins the new name of what had one of our names and could not be removed."""
