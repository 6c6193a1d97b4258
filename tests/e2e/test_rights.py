"""What can the daemon's user do on the machine, and what can the daemon's process?"""

import json
from typing import Any

import pytest
from container import wait_for
from controller import MARKERS, STATE, WORK, Controller

ID = "20261123T212455Z.0001"
PROBE = "/opt/probe.py"
PROBE_TEXT = f"""
import ctypes, json, mmap, os, socket, subprocess

def outcome(act):
    try:
        act()
    except OSError as error:
        return error.strerror
    return "done"

def create(folder):
    path = folder + "/.probe"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o644))
    os.unlink(path)

def raw_socket():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)

def unshare():
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def start(unit):
    return subprocess.run(["systemctl", "--no-ask-password", "start", unit], capture_output=True).returncode

folders = {{
    "state": "/{STATE}", "runtime": "/run/pinakad", "markers": "/{MARKERS}", "nodes": "/{WORK}/cluster/nodes",
    "scripts": "/{WORK}/.scripts", "work_dir": "/{WORK}", "home": "/home/pinakasupport", "homes": "/home",
    "etc": "/etc", "configuration": "/etc/pinakad", "program": "/opt/pinakad/bin", "other state": "/var/lib/shared",
    "run": "/run", "spool": "/var/spool/cron", "sys": "/sys/fs/cgroup", "proc": "/proc/sys/kernel",
}}
seen = {{
    "writes": {{name: outcome(lambda: create(folder)) for name, folder in folders.items()}},
    "others homes": os.listdir("/home"),
    "roots home": os.listdir("/root"),
    "root": outcome(lambda: os.setuid(0)),
    "packets": outcome(raw_socket),
    "namespace": outcome(unshare),
    "kill": outcome(lambda: os.kill(1, 0)),
    "writable code": outcome(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)),
    "script unit": start("pinakad-script@{ID}.service"),
    "other unit": start("e2scrub_reap.service"),
}}
with open("/{STATE}/probe.json", "w") as file:
    json.dump(seen, file)
"""


@pytest.fixture
def seen(controller: Controller) -> dict[str, Any]:
    """Run a program in exactly the daemon's sandbox, as the daemon's user, and return what it could do."""
    unit = controller.read("etc/systemd/system/pinakad.service").splitlines()
    kept = [
        line for line in unit if not line.startswith(("ExecStart=", "ExecReload=", "Watchdog", "Restart=", "Type="))
    ]
    text = "\n".join(kept).replace("[Service]", f"[Service]\nType=exec\nExecStart=/opt/pinakad/bin/python -I {PROBE}")
    controller.write("run/systemd/system/pinakad-probe.service", text)
    controller.write(PROBE.lstrip("/"), PROBE_TEXT)
    controller.machine.run("install", "-d", "-m", "0777", "/var/lib/shared", "/home/somebody")
    controller.systemctl("daemon-reload")
    controller.systemctl("start", "pinakad-probe.service")
    wait_for("the probe to end", lambda: controller.show("ActiveState", "pinakad-probe.service") != "active")
    found: dict[str, Any] = json.loads(controller.read(STATE / "probe.json"))
    controller.machine.run("rm", f"/{STATE}/probe.json", "/run/systemd/system/pinakad-probe.service")
    return found


def test_the_daemons_process_cannot_write_outside_its_places(seen: dict[str, Any]) -> None:
    could = {name for name, outcome in seen["writes"].items() if outcome == "done"}
    assert could == {"state", "runtime", "markers"}


def test_the_daemons_process_sees_no_home_but_its_work_dir_and_gains_no_rights(seen: dict[str, Any]) -> None:
    assert (seen["others homes"], seen["roots home"]) == (["pinakasupport"], [])
    refused = ("root", "packets", "namespace", "kill", "writable code")
    assert {name: seen[name] for name in refused if seen[name] == "done"} == {}


def test_the_daemons_process_may_start_its_scripts_unit_and_no_other(seen: dict[str, Any]) -> None:
    assert seen["other unit"] != 0
    assert seen["script unit"] == 0


@pytest.mark.parametrize(
    ("verb", "unit"),
    [
        ("start", "e2scrub_reap.service"),
        ("stop", "ssh.service"),
        ("restart", "ssh.service"),
        ("restart", f"pinakad-script@{ID}.service"),
        ("start", "pinakad-script@evil.service"),
        ("start", f"pinakad-script@{ID}x.service"),
        ("start", "pinakad-script@.service"),
        ("stop", "pinakad.service"),
        ("enable", "ssh.service"),
        ("daemon-reload", ""),
        ("reboot", ""),
    ],
)
def test_the_daemons_user_is_refused(controller: Controller, verb: str, unit: str) -> None:
    words = ["systemctl", "--no-ask-password", verb, *([unit] if unit else [])]
    asked = controller.machine.run(*words, check=False, user="pinakasupport")
    assert asked.returncode != 0
    assert controller.show("ActiveState", "ssh.service") == "active"


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_the_daemons_user_may_start_and_stop_a_scripts_unit(controller: Controller, verb: str) -> None:
    unit = f"pinakad-script@{ID}.service"
    controller.machine.run("systemctl", "--no-ask-password", verb, "--no-block", unit, user="pinakasupport")


def test_a_script_unit_without_a_deployment_runs_nothing(controller: Controller) -> None:
    unit = f"pinakad-script@{ID}.service"
    controller.systemctl("start", unit)
    wait_for("its end", lambda: controller.show("ActiveState", unit) in ("inactive", "failed"))
    said = controller.machine.out("journalctl", "-u", unit, "-o", "cat", "--no-pager")
    assert f"cannot open deployment '{ID}' in '/{STATE}'" in said


def test_a_deployments_folder_that_is_a_link_is_not_followed(running: Controller) -> None:
    running.machine.run("ln", "-s", "/root", f"/{STATE}/deployments/{ID}")
    try:
        unit = f"pinakad-script@{ID}.service"
        running.systemctl("start", unit)
        wait_for("its end", lambda: running.show("ActiveState", unit) in ("inactive", "failed"))
    finally:
        running.machine.run("rm", f"/{STATE}/deployments/{ID}")
    assert not running.has("root/started")
