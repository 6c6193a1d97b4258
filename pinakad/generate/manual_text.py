"""The texts of the manual pages that belong to no option and no setting."""

PINAKAD = """\
`pinakad` owns bare-metal deployments. A producer stores one JSON file for each node, then creates the marker
`deployment_in_progress`. From there the daemon checks and snapshots the node files, launches the deployment script,
waits while the nodes reboot, polls every node over SSH, and writes the answer: `deployment_completed` or
`deployment_failed`. Then it removes the request.

A request is never lost and its script never run twice. The script does not end with the daemon: whoever kills,
upgrades or restarts `pinakad` changes nothing for a deployment that runs, the next start goes on with it.
`completed` means that the script exited with status 0 and that every node let us log in after that.

It runs in the foreground, as a service of systemd(1). `pinakactl setup` installs it.
"""

PINAKAD_SECTIONS = {
    "Files": (
        (
            "/etc/pinakad/pinakad.toml",
            "See pinakad.toml(5). Of the paths below, those without a slash at the front are in work_dir.",
        ),
        (
            "cluster/nodes/node_<digits>.json",
            "The node files. Of several with one host name the highest number counts.",
        ),
        (
            ".markers/deplyment_status/deployment_in_progress",
            'The request: an empty file for all nodes, {"nodes": ["node_05.json"], "request_id": "mine"} for some.',
        ),
        (".markers/deplyment_status/deployment_cancel", "Cancels the deployment that runs."),
        (
            ".markers/deplyment_status/deployment_completed, deployment_failed",
            "The answer to the latest request: the report, as JSON. Never both.",
        ),
        (".scripts/deployment_service.sh", "The deployment script, run by bash(1)."),
        ("key/ps_key.pem", "The SSH private key."),
        (
            "/var/lib/pinakad/deployments/<id>/",
            "What is known of a deployment: report.json, nodes/ (the snapshot of its node files), script.log.",
        ),
        ("/run/pinakad/status.json", "How it stands, for readers; replaced in one step."),
    ),
    "Environment": (
        ("PINAKAD_CONFIG", "The configuration, where there is no --config."),
        ("STATE_DIRECTORY", "The state folder; default /var/lib/pinakad."),
        ("RUNTIME_DIRECTORY", "The folder of status.json; default /run/pinakad."),
    ),
    "Signals": (
        ("SIGTERM, SIGINT", "Stop. What runs is left as it is and gone on with at the next start."),
        (
            "SIGHUP",
            "Read the configuration again. Where it cannot be used, the old one stays in force, and the log tells why.",
        ),
    ),
    "Exit status": (
        ("0", "Stopped by a signal."),
        ("75", "Another pinakad serves these folders."),
        ("78", "The configuration or a folder cannot be used; the log says which, and why."),
    ),
}

PINAKACTL_SECTIONS = {
    "Files": (
        ("/run/pinakad/status.json", "What the running daemon tells; $RUNTIME_DIRECTORY is another folder."),
        ("/var/lib/pinakad/deployments/", "The reports; $STATE_DIRECTORY is another state folder."),
    ),
    "Environment": (
        ("PINAKAD_CONFIG, STATE_DIRECTORY, RUNTIME_DIRECTORY", "The same as for pinakad(8)."),
        ("NO_COLOR", "If it is set, nothing is coloured."),
    ),
}

CONFIGURATION = """\
TOML (https://toml.io). All of it is optional, a missing file too. An unknown key or a value that is not allowed is
refused, with the key's path and what is allowed. Units are in the names: `_s` are seconds.

\b
  pinakactl config                          every setting in force, and where it came from
  pinakactl --config draft.toml config      would the daemon take this file?
  systemctl reload pinakad                  read it again; [paths] needs a restart

A deployment that runs keeps the settings that it was started with. `--config` of the programs wins over
`$PINAKAD_CONFIG`, and that over the default file.
"""

CONFIGURATION_EXAMPLE = """\
Only nodes that have provably rebooted and name themselves as their file does are up:

\b
  [poll]
  reboot = "require"
  identity = "require"

A back end starts the script itself, pinakad watches the nodes only:

\b
  [script]
  launch = false
"""
