"""Does the README's installation make a service that a person can read, and that is locked down?"""

import re

from container import wait_for
from controller import WAITING_SCRIPT, Controller

UNITS = (
    "pinakad.service",
    "pinakad-script@20261123T212455Z.0001.service",
    "pinakad-launch.socket",
    "pinakad-launch@0.service",
)
MAX_EXPOSURE = 1.5


def status_text(controller: Controller) -> str:
    found = re.search(r'Status: "(.*)"', controller.machine.out("systemctl", "status", "--no-pager", "pinakad"))
    assert found is not None
    return found[1]


def test_start_returns_when_the_service_is_ready_and_a_request_is_then_taken_at_once(controller: Controller) -> None:
    controller.systemctl("start", "pinakad")
    assert controller.show("ActiveState") == "active"
    assert controller.status()["daemon"]["watch"] == "events"
    controller.deploy("exit 0\n", "sqdn-01")
    assert controller.answer()["outcome"] == "completed"


def test_status_tells_the_state_in_words_before_during_and_after_a_deployment(running: Controller) -> None:
    assert status_text(running) == "idle; no deployment yet"
    running.deploy(WAITING_SCRIPT, "sqdn-01", "sqdn-02")
    wait_for("the polling in words", lambda: status_text(running).startswith("polling: 2 of 2 nodes up, attempt "))
    running.open_gate()
    running.answer()
    wait_for("the end in words", lambda: status_text(running).startswith("idle; last deployment completed "))


def test_the_journal_has_the_fields_and_explains_each_event(running: Controller) -> None:
    running.deploy("echo hello from the script\n", "sqdn-01")
    identifier = running.answer()["id"]
    records = running.machine.journal("-u", "pinakad", f"DEPLOYMENT_ID={identifier}")
    assert {record["PHASE"] for record in records if "PHASE" in record} >= {"launching", "polling", "finished"}
    up = next(record for record in records if record.get("NODE") == "sqdn-01" and record["PRIORITY"] == "6")
    assert up["ADDRESS"] == "10.77.0.11"
    assert int(up["ATTEMPT"]) >= 1
    assert up["_SYSTEMD_UNIT"] == "pinakad.service"
    assert all(record.get("MESSAGE_ID") for record in records)
    explained = running.machine.out("journalctl", "-x", "--no-pager", "-u", "pinakad", f"DEPLOYMENT_ID={identifier}")
    assert "A login over SSH succeeded and everything that was required held." in explained


def test_the_output_of_the_script_is_in_its_log_and_in_the_journal_of_its_unit(running: Controller) -> None:
    running.deploy("echo to stdout; echo to stderr >&2\n", "sqdn-01")
    report = running.answer()
    assert running.read(report["script"]["log"].lstrip("/")) == "to stdout\nto stderr\n"
    said = [
        record["MESSAGE"] for record in running.machine.journal("-u", running.script_unit(), "-t", "pinakad-script")
    ]
    assert said == ["to stdout", "to stderr"]


def test_the_script_runs_as_root_with_nothing_of_the_daemons_in_its_environment(running: Controller) -> None:
    running.deploy("env; id -u; pwd; cat /proc/self/cgroup; ls $PINAKAD_NODES_DIR\n", "sqdn-01")
    report = running.answer()
    lines = running.read(report["script"]["log"].lstrip("/")).splitlines()
    assert {"HOME=/root", "USER=root", "LOGNAME=root", f"PINAKAD_DEPLOYMENT_ID={report['id']}"} <= set(lines)
    names = {line.split("=")[0] for line in lines if "=" in line}
    assert not names & {"NOTIFY_SOCKET", "INVOCATION_ID", "JOURNAL_STREAM", "WATCHDOG_USEC"}
    assert "0" in lines
    assert "node_01.json" in lines
    assert any(f"pinakad-script@{report['id']}.service" in line for line in lines)


def test_systemd_has_nothing_to_say_against_the_units(controller: Controller) -> None:
    verified = controller.machine.run("systemd-analyze", "verify", *UNITS)
    assert verified.stdout + verified.stderr == ""


def test_the_daemon_is_locked_down_further_than_systemds_own_services(controller: Controller) -> None:
    said = controller.machine.out("systemd-analyze", "security", "--no-pager", "pinakad.service")
    found = re.search(r"Overall exposure level for pinakad.service: ([0-9.]+)", said)
    assert found is not None
    assert float(found[1]) <= MAX_EXPOSURE, said


def test_the_service_starts_at_boot(controller: Controller) -> None:
    assert controller.machine.out("systemctl", "is-enabled", "pinakad.service") == "enabled"
