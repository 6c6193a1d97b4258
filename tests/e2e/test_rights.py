"""What can the daemon's user do on the machine, and what can the daemon's process?"""

import json
from subprocess import CompletedProcess
from typing import Any

import pytest
from container import wait_for
from controller import MARKERS, RUNS, STATE, WAITING_SCRIPT, WORK, Controller

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

def confined():
    program = "from pinakad.login import sandbox; sandbox.before_the_key(); print(sandbox.after_the_key())"
    done = subprocess.run(["/opt/pinakad/bin/python", "-I", "-c", program], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr[-900:]

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
    "login worker": confined(),
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


def test_a_login_worker_can_take_its_own_rights_away_in_the_daemons_sandbox(seen: dict[str, Any]) -> None:
    assert seen["login worker"] == "True"


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


HOLD = "import fcntl, os, sys, time; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); time.sleep(600)"


def hold(controller: Controller, path: str) -> None:
    """Let another user hold the lock of a file or folder that everybody may read."""
    words = ["setpriv", "--reuid=games", "--regid=games", "--clear-groups", "/usr/bin/python3", "-c", HOLD, path]
    controller.machine.run("systemd-run", "--collect", *words)
    seen = ["sh", "-c", f"lslocks --noheadings --output COMMAND,PATH | grep -q 'python3.*{path}'"]
    wait_for("the lock", lambda: controller.machine.run(*seen, check=False).returncode == 0)


def test_who_holds_the_lock_of_the_marker_folder_stops_nobody_and_is_named(controller: Controller) -> None:
    hold(controller, f"/{MARKERS}")
    try:
        controller.systemctl("start", "pinakad")
        controller.deploy("exit 0\n", "sqdn-01")
        assert controller.answer()["outcome"] == "completed"
        told = controller.machine.out("journalctl", "-u", "pinakad", "-o", "cat", "--no-pager", "-n", "100")
        assert "which is no pinakad of ours" in told
        assert "/usr/bin/python3 -c" in told
    finally:
        controller.machine.run("pkill", "-u", "games")


def test_nobody_else_can_open_the_daemons_lock_and_everybody_can_tell_that_it_runs(running: Controller) -> None:
    opened = running.machine.run("cat", f"/{STATE}/lock", check=False, user="games")
    assert "Permission denied" in opened.stderr

    def told() -> str:
        return running.machine.run("/opt/pinakad/bin/pinakactl", "status", check=False, user="games").stdout

    assert "not running" not in told()
    running.systemctl("stop", "pinakad")
    assert "not running" in told()


def test_a_launch_waits_for_roots_side_where_it_is_away_for_a_moment(running: Controller) -> None:
    running.systemctl("stop", "pinakad-launch.socket")
    running.deploy(f"echo run >>{RUNS}\n", "sqdn-01")
    wait_for(
        "a word about it",
        lambda: "it is tried again" in running.machine.out("journalctl", "-u", "pinakad", "-o", "cat", "-n", "20"),
    )
    running.systemctl("start", "pinakad-launch.socket")
    assert running.answer()["outcome"] == "completed"
    assert running.read(RUNS.lstrip("/")) == "run\n"


def test_a_launch_and_a_cancel_need_neither_dbus_nor_polkit(running: Controller) -> None:
    running.systemctl("stop", "dbus.socket", "dbus.service", check=False)
    try:
        running.deploy("sleep 1000\n", "sqdn-01")
        running.wait_for_phase("polling")
        running.machine.run("touch", f"/{MARKERS}/deployment_cancel")
        assert running.answer()["outcome"] == "cancelled"
        assert running.show("ActiveState", running.script_unit()) == "inactive"
    finally:
        running.systemctl("start", "dbus.socket")


def test_a_hostile_snapshot_of_the_daemons_runs_nothing_as_root(running: Controller) -> None:
    running.write(
        WORK / ".scripts/deployment_service.sh", f"cp $PINAKAD_NODES_DIR/* /var/tmp/; echo run >>{RUNS}\n", 0o755
    )
    folder = f"/{STATE}/deployments/{ID}"
    make = f"mkdir -p {folder}/nodes; ln -s /etc/shadow {folder}/nodes/node_1.json"
    running.machine.run("sh", "-ec", make, user="pinakasupport")
    assert ask(running, f"start {ID}", "pinakasupport").stdout.startswith("0\n")
    wait_for("its end", lambda: running.has(f"{folder}/started".lstrip("/")))
    assert "not a regular file of its owner's" in running.read(f"{folder}/started".lstrip("/"))
    assert not running.has(RUNS.lstrip("/"))


@pytest.mark.parametrize("name", ["exit", ".exit.new", "script.log"])
def test_folders_in_the_supervisors_way_neither_hold_root_up_nor_lose_the_end(running: Controller, name: str) -> None:
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    running.wait_for_phase("polling")
    folder = f"/{STATE}/deployments/{running.report()['id']}"
    there = f"rm -f {folder}/{name}; mkdir -p {folder}/{name}/deep"
    running.machine.run("sh", "-ec", there, user="pinakasupport")
    running.open_gate()
    assert running.answer()["outcome"] == "completed"
    wait_for("the unit's end", lambda: running.show("ActiveState", running.script_unit()) == "inactive")


def test_what_somebody_put_into_systemds_environment_loads_nothing_into_us(controller: Controller) -> None:
    evil = {"LD_PRELOAD": "/var/tmp/evil.so", "BASH_ENV": "/var/tmp/evil.sh", "PYTHONHOME": "/var/tmp"}
    controller.systemctl("set-environment", *(f"{name}={value}" for name, value in evil.items()))
    try:
        controller.systemctl("start", "pinakad")
        controller.deploy(WAITING_SCRIPT, "sqdn-01")
        controller.wait_for_phase("polling")
        for unit in ("pinakad.service", controller.script_unit()):
            environ = controller.machine.out("cat", f"/proc/{controller.show('MainPID', unit)}/environ")
            assert "PATH=" in environ
            assert not [name for name in evil if f"{name}=" in environ], unit
        controller.open_gate()
        assert controller.answer()["outcome"] == "completed"
    finally:
        controller.systemctl("unset-environment", *evil)


def test_the_daemon_and_roots_side_are_bounded(running: Controller) -> None:
    assert int(running.show("MemoryMax")) == 2 << 30
    assert int(running.show("TasksMax")) == 1024
    assert running.show("OOMPolicy") == "continue"
    for unit in ("pinakad.service", f"pinakad-script@{ID}.service", "pinakad-launch@1.service"):
        assert running.show("LimitCORE", unit) == "0"
    assert int(running.show("MemoryMax", "pinakad-launch@1.service")) == 128 << 20
