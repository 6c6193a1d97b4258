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


def test_a_key_that_came_after_the_start_and_is_roots_is_named_with_what_to_do(controller: Controller) -> None:
    controller.machine.run("mv", f"/{KEY.lstrip('/')}", "/root/away.pem")
    try:
        controller.systemctl("start", "pinakad")  # without a key the start does not fail
        controller.machine.run("install", "-m", "0600", "/root/away.pem", KEY)
        controller.deploy("exit 0\n", "sqdn-01")
        report = controller.answer()
        assert report["reason"] == "ssh_key"
        assert KEY in report["message"]
        assert "permission denied" in report["message"]
        assert "systemctl restart pinakad" in report["message"]
        assert report["script"] is None
        said = controller.machine.run("/opt/pinakad/bin/pinakactl", "doctor", check=False).stdout
        assert "is not what the daemon was given at its start" in said
        controller.systemctl("restart", "pinakad")
        controller.deploy("exit 0\n", "sqdn-01")
        assert controller.answer()["outcome"] == "completed"
    finally:
        controller.machine.run("mv", "/root/away.pem", KEY)


def test_a_state_folder_that_is_read_only_for_a_moment_is_waited_for(controller: Controller) -> None:
    owner = controller.machine.out("id", "-u", "pinakasupport")
    group = controller.machine.out("id", "-g", "pinakasupport")
    disk = ["mount", "-t", "tmpfs", "-o", f"mode=0755,uid={owner},gid={group}", "tmpfs", f"/{STATE}"]
    controller.machine.run("mkdir", "-p", f"/{STATE}")
    controller.machine.run(*disk)
    try:
        controller.machine.run("mount", "-o", "remount,ro", f"/{STATE}")
        controller.systemctl("start", "--no-block", "pinakad")
        wait_for("a word about it", lambda: "it is read-only here" in said(controller))
        controller.machine.run("mount", "-o", "remount,rw", f"/{STATE}")
        wait_for("the start", lambda: controller.show("ActiveState") == "active")
        controller.deploy("exit 0\n", "sqdn-01")
        assert controller.answer()["outcome"] == "completed"
    finally:
        controller.systemctl("stop", "pinakad")
        controller.machine.run("umount", "-l", f"/{STATE}")


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


def test_a_key_that_is_roots_alone_is_handed_to_the_daemons_process_and_nobody_else(controller: Controller) -> None:
    controller.machine.run("chown", "root", KEY)
    try:
        controller.systemctl("start", "pinakad")
        controller.deploy("exit 0\n", "sqdn-01")
        assert controller.answer()["outcome"] == "completed"
        for place in (KEY, "/run/credentials/pinakad.service/ps_key"):
            for user in ("games", "pinakasupport") if place == KEY else ("games",):
                assert controller.machine.run("cat", place, check=False, user=user).returncode != 0
        said = controller.machine.run("/opt/pinakad/bin/pinakactl", "doctor", check=False).stdout
        assert "SSH key" not in said
    finally:
        controller.machine.run("chown", "pinakasupport", KEY)


def test_what_the_daemon_can_write_cannot_be_executed(running: Controller) -> None:
    """Its process is asked for: a mount of its own is what forbids it."""
    running.machine.run("cp", "/bin/true", f"/{STATE}/true")
    running.machine.run("cp", "/bin/true", f"/{MARKERS}/.pinakad-true")
    pid = running.show("MainPID")
    try:
        inside = ["nsenter", "-t", pid, "-m", "setpriv", "--reuid=pinakasupport", "--clear-groups"]
        for place in (f"/{STATE}/true", f"/{MARKERS}/.pinakad-true"):
            assert running.machine.run("setpriv", "--reuid=pinakasupport", "--clear-groups", place).returncode == 0
            asked = running.machine.run(*inside, place, check=False)
            assert "Permission denied" in asked.stderr, asked
    finally:
        running.machine.run("rm", f"/{STATE}/true", f"/{MARKERS}/.pinakad-true")
