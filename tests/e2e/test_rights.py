"""What can the daemon's user do on the machine, and what can the daemon's process?"""

import json
from subprocess import CompletedProcess
from typing import Any

import pytest
from container import wait_for
from controller import MARKERS, RUNS, STATE, WORK, Controller

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

def ask(request):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect("/run/pinakad-launch.sock")
        connection.sendall(request.encode() + b"\\n")
        return connection.makefile().read()

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
    "asked": [ask("start {ID}"), ask("start ssh.service"), ask("show {ID}"), ask("stop {ID}")],
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


def test_the_daemons_process_has_root_start_its_scripts_unit_and_can_start_nothing_itself(seen: dict[str, Any]) -> None:
    assert seen["other unit"] != 0
    assert seen["script unit"] != 0
    started, refused, shown, stopped = seen["asked"]
    assert (started, stopped) == ("0\n", "0\n")
    assert refused.startswith("78\nrefused")
    assert "ActiveState=" in shown


@pytest.mark.parametrize(
    "words",
    [
        f"start pinakad-script@{ID}.service",
        f"stop pinakad-script@{ID}.service",
        f"--job-mode=flush start pinakad-script@{ID}.service",
        f"--job-mode=isolate start pinakad-script@{ID}.service",
        f"restart pinakad-script@{ID}.service",
        "start pinakad-script@evil.service",
        "start pinakad-launch@1.service",
        "start e2scrub_reap.service",
        "stop ssh.service",
        "stop pinakad.service",
        "enable ssh.service",
        "daemon-reload",
        "reboot",
    ],
)
@pytest.mark.parametrize("user", ["pinakasupport", "games"])
def test_nobody_but_root_tells_systemd_anything(controller: Controller, words: str, user: str) -> None:
    asked = controller.machine.run("systemctl", "--no-ask-password", *words.split(), check=False, user=user)
    assert asked.returncode != 0
    assert controller.show("ActiveState", "ssh.service") == "active"


ASKER = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect('/run/pinakad-launch.sock')"
ASKING = ASKER + "; s.sendall(sys.argv[1].encode() + b'\\n'); print(s.makefile().read())"


def ask(controller: Controller, request: str, user: str) -> CompletedProcess[str]:
    return controller.machine.run("/usr/bin/python3", "-c", ASKING, request, check=False, user=user)


def test_only_the_daemons_user_can_ask_for_a_scripts_unit(running: Controller) -> None:
    running.machine.run("useradd", "--groups", "pinakasupport", "--user-group", "producer", check=False)
    for user in ("games:games", "producer:producer"):
        name, group = user.split(":")
        words = ["setpriv", f"--reuid={name}", f"--regid={group}", "--init-groups", "/usr/bin/python3", "-c", ASKING]
        asked = running.machine.run(*words, f"start {ID}", check=False)
        assert "PermissionError" in asked.stderr, asked
    assert ask(running, f"show {ID}", "pinakasupport").stdout.startswith("0\n")


def test_an_id_is_run_once_by_roots_own_record(running: Controller) -> None:
    running.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    identifier = running.answer()["id"]
    folder = f"/{STATE}/deployments/{identifier}"
    running.machine.run("rm", f"{folder}/started", f"{folder}/exit")  # as the daemon's user can
    for _ in range(2):
        asked = ask(running, f"start {identifier}", "pinakasupport")
        assert asked.stdout.startswith("0\n"), asked
        wait_for("its end", lambda: running.show("ActiveState", running.script_unit()) in ("inactive", "failed"))
    assert running.read(RUNS.lstrip("/")) == "run\n"
    assert "never run twice" in running.read(f"{folder}/started".lstrip("/"))
    assert running.machine.run("ls", "/var/lib/pinakad-script", check=False, user="pinakasupport").returncode != 0


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
