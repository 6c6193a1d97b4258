"""Does what goes wrong around the service end well, and does it say what to do?"""

from collections.abc import Iterator

import pytest
from container import wait_for
from controller import KEY, MARKERS, RUNS, STATE, WAITING_SCRIPT, WORK, Controller

SCRIPT = WORK / ".scripts/deployment_service.sh"


def said(controller: Controller) -> str:
    """Return what the service said since it was last started by hand."""
    return controller.machine.out("journalctl", "-u", "pinakad", "-o", "cat", "--no-pager", "-n", "300")


def drop_in(controller: Controller, text: str) -> None:
    controller.write("run/systemd/system/pinakad.service.d/90-test.conf", f"[Service]\n{text}\n")
    controller.systemctl("daemon-reload")


@pytest.fixture
def short_watchdog(controller: Controller) -> Iterator[Controller]:
    """Give the controller with a service whose watchdog is quick."""
    drop_in(controller, "WatchdogSec=2\nTimeoutAbortSec=1")
    controller.systemctl("start", "pinakad")
    yield controller
    controller.machine.run("rm", "/run/systemd/system/pinakad.service.d/90-test.conf")
    controller.systemctl("daemon-reload")


def test_a_frozen_main_loop_is_killed_by_the_watchdog_and_the_run_goes_on(short_watchdog: Controller) -> None:
    controller = short_watchdog
    controller.deploy(WAITING_SCRIPT, "sqdn-01")
    controller.wait_for_phase("polling")
    frozen = controller.show("MainPID")
    controller.machine.run("kill", "-STOP", frozen)
    wait_for("the watchdog", lambda: controller.show("NRestarts") == "1")
    controller.open_gate()
    assert controller.answer()["outcome"] == "completed"
    assert controller.machine.out("cat", RUNS) == "run"
    assert "Watchdog timeout" in said(controller)


def test_a_reload_with_a_configuration_that_does_not_validate_fails_and_the_old_one_stays(running: Controller) -> None:
    pid = running.show("MainPID")
    running.configure(poll={"interval_s": "soon"})
    reload = running.systemctl("reload", "pinakad", check=False)
    assert reload.returncode != 0
    assert "pinakad.toml: cannot use 'poll.interval_s' = 'soon'" in said(running)
    assert (running.show("MainPID"), running.show("ActiveState")) == (pid, "active")
    running.machine.run("rm", "/etc/pinakad/pinakad.toml")  # a daemon that read it now would have other settings
    running.deploy("exit 0\n", "sqdn-01")
    assert running.answer()["policy"]["poll"]["interval_s"] == 1


def test_a_reload_takes_the_new_settings_and_keeps_the_runner_of_the_command_line(running: Controller) -> None:
    running.configure(poll={"delay_s": 0, "interval_s": 0.5})
    running.systemctl("reload", "pinakad")
    wait_for("the reload", lambda: "the configuration was read again" in said(running))
    running.deploy("exit 0\n", "sqdn-01")
    report = running.answer()
    assert report["policy"]["poll"]["interval_s"] == 0.5
    assert report["script"]["runner"] == report["policy"]["script"]["runner"] == "systemd"


def test_a_start_with_a_configuration_that_does_not_validate_fails_once(controller: Controller) -> None:
    controller.configure(poll={"atempts": 3})
    assert controller.systemctl("start", "pinakad", check=False).returncode != 0
    assert (controller.show("ActiveState"), controller.show("NRestarts")) == ("failed", "0")
    assert "unknown key 'poll.atempts'; known are attempts" in said(controller)


def test_a_second_instance_refuses_and_says_why(running: Controller) -> None:
    folders = ["env", f"STATE_DIRECTORY=/{STATE}", "RUNTIME_DIRECTORY=/run/pinakad"]
    second = running.machine.run(*folders, "/opt/pinakad/bin/pinakad", check=False, user="pinakasupport")
    assert second.returncode == 75
    assert f"cannot use '/{STATE}/lock': another pinakad uses it" in second.stderr
    other = ["install", "-d", "-o", "pinakasupport", "/var/tmp/other"]
    running.machine.run(*other)
    folders[1] = "STATE_DIRECTORY=/var/tmp/other"
    second = running.machine.run(*folders, "/opt/pinakad/bin/pinakad", check=False, user="pinakasupport")
    assert second.returncode == 75
    assert f"cannot use '/{MARKERS}': another pinakad uses it" in second.stderr


@pytest.mark.parametrize(
    ("path", "mode", "remedy"),
    [
        (WORK, "0700", "chmod a+x"),
        (MARKERS, "0555", "chown or chmod it"),
    ],
)
def test_a_work_dir_with_wrong_permissions_is_named_with_what_to_do(
    controller: Controller, path: object, mode: str, remedy: str
) -> None:
    before = controller.machine.out("stat", "-c", "%a", f"/{path}")
    controller.machine.run("chown", "root", f"/{path}")
    controller.machine.run("chmod", mode, f"/{path}")
    try:
        assert controller.systemctl("start", "pinakad", check=False).returncode != 0
        assert f"= '/{MARKERS}': " in said(controller)
        assert remedy in said(controller)
        assert controller.show("NRestarts") == "0"
    finally:
        owner = "root" if path == WORK else "pinakasupport"
        controller.machine.run("chown", owner, f"/{path}")
        controller.machine.run("chmod", before, f"/{path}")


def test_a_key_that_the_daemon_may_not_read_is_named_with_what_to_do(running: Controller) -> None:
    running.machine.run("chown", "root", KEY)
    try:
        running.deploy("exit 0\n", "sqdn-01")
        report = running.answer()
    finally:
        running.machine.run("chown", "pinakasupport", KEY)
    assert report["reason"] == "ssh_key"
    assert KEY in report["message"]
    assert "permission denied" in report["message"]
    assert report["script"] is None


def test_a_script_that_others_could_change_is_not_run_as_root(running: Controller) -> None:
    running.write(SCRIPT, f"echo run >>{RUNS}\n")
    running.machine.run("chown", "pinakasupport", f"/{SCRIPT}")
    running.deploy_nodes("sqdn-01")
    report = running.answer()
    assert report["reason"] == "launch_failed"
    assert f"'/{SCRIPT}' belongs to pinakasupport, who could change it" in report["message"]
    assert "Put it into a folder of root's" in report["message"]
    assert not running.has(RUNS.lstrip("/"))


def test_a_unit_that_cannot_even_start_fails_the_launch_at_once(running: Controller) -> None:
    broken = "[Service]\nExecStart=\nExecStart=/nonexistent\n"
    running.write("run/systemd/system/pinakad-script@.service.d/90-test.conf", broken)
    running.systemctl("daemon-reload")
    try:
        running.deploy("exit 0\n", "sqdn-01")
        report = running.answer(10)
    finally:
        running.machine.run("rm", "/run/systemd/system/pinakad-script@.service.d/90-test.conf")
        running.systemctl("daemon-reload")
    assert report["reason"] == "launch_failed"
    assert f"journalctl -u pinakad-script@{report['id']}.service" in report["message"]


def test_a_cancelled_script_gets_term_and_then_kill_with_all_that_it_started(running: Controller) -> None:
    running.deploy("trap '' TERM\n(trap '' TERM; setsid sleep 1001) &\nwhile :; do sleep 0.1; done\n", "sqdn-01")
    running.wait_for_phase("polling")
    unit = running.script_unit()
    running.machine.run("touch", f"/{MARKERS}/deployment_cancel")
    report = running.answer()
    assert (report["outcome"], report["reason"]) == ("cancelled", "cancelled")
    assert (report["script"]["state"], report["script"]["signal"]) == ("exited", 9)
    assert running.show("ActiveState", unit) == "inactive"
    assert running.machine.run("pgrep", "-f", "sleep 1001", check=False).returncode == 1


def test_what_the_script_leaves_running_lives_on(running: Controller) -> None:
    running.deploy("nohup setsid sleep 1002 >/dev/null 2>&1 &\n", "sqdn-01")
    assert running.answer()["outcome"] == "completed"
    assert running.machine.run("pgrep", "-f", "sleep 1002", check=False).returncode == 0
    unit = running.script_unit()
    assert running.show("ActiveState", unit) == "active"
    running.machine.run("pkill", "-f", "sleep 1002")
    wait_for("the unit to end with the last of it", lambda: running.show("ActiveState", unit) == "inactive")


def test_a_killed_supervisor_is_a_lost_script_and_nothing_of_it_stays(running: Controller) -> None:
    running.deploy(WAITING_SCRIPT, "sqdn-01")
    running.wait_for_phase("polling")
    unit = running.script_unit()
    running.systemctl("kill", "--signal=KILL", "--kill-whom=main", unit)
    assert running.answer()["reason"] == "script_lost"
    assert running.machine.out("cat", RUNS) == "run"
    wait_for("the unit to be gone", lambda: running.show("ActiveState", unit) in ("inactive", "failed"))


def test_the_key_may_be_a_credential_that_only_the_daemons_process_sees(controller: Controller) -> None:
    folder = "/etc/systemd/system/pinakad.service.d"
    controller.machine.run("cp", f"{folder}/credential.conf.example", f"{folder}/credential.conf")
    controller.machine.run("chown", "root", KEY)
    controller.systemctl("daemon-reload")
    try:
        controller.configure(ssh={"key": "/run/credentials/pinakad.service/ps_key"})
        controller.systemctl("start", "pinakad")
        controller.deploy("exit 0\n", "sqdn-01")
        assert controller.answer()["outcome"] == "completed"
    finally:
        controller.machine.run("rm", f"{folder}/credential.conf")
        controller.machine.run("chown", "pinakasupport", KEY)
        controller.systemctl("daemon-reload")
