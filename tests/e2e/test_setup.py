"""Does `pinakactl setup` do what it says, once, and undo it?"""

from subprocess import CompletedProcess

import pytest
from container import wait_for
from controller import WORK, Controller

PINAKACTL = "/opt/pinakad/bin/pinakactl"
BACKEND = "etc/systemd/system/web-backend.service"
CONFIG = "etc/pinakad/pinakad.toml"
KEPT = ["/etc/pinakad", "/etc/pinakad/pinakad.toml", "/var/lib/pinakad", "/var/lib/pinakad-script"]


def setup(controller: Controller, *options: str, check: bool = True) -> CompletedProcess[str]:
    return controller.machine.run(PINAKACTL, "setup", *options, check=check)


def installed_files(controller: Controller) -> str:
    places = "/etc/systemd/system /etc/polkit-1 /etc/sysusers.d /etc/tmpfiles.d /etc/pinakad /usr/local"
    return controller.machine.out("sh", "-c", f"find {places} -printf '%p %T@ %U %m\\n' | sort")


def test_a_second_setup_changes_nothing(controller: Controller) -> None:
    before = installed_files(controller)
    said = setup(controller).stdout
    assert installed_files(controller) == before
    assert {line.split()[0] for line in said.splitlines()} <= {"unchanged", "run", "next"}


def test_remove_leaves_nothing_of_the_units_not_even_of_a_service_that_runs(running: Controller) -> None:
    running.deploy("exit 0\n", "sqdn-01")
    assert running.answer()["outcome"] == "completed"
    wait_for("the unit's end", lambda: running.show("ActiveState", running.script_unit()) == "inactive")
    said = setup(running, "--remove").stdout
    try:
        look = "find /etc /usr/local /run /var/lib -xdev -name '*pinakad*' -not -path '/run/credentials/*' | sort"
        assert running.machine.out("sh", "-c", look).splitlines() == KEPT
        assert all(path in said for path in KEPT if not path.endswith(".toml"))
        assert running.machine.out("systemctl", "list-units", "--all", "--plain", "--no-legend", "pinakad*") == ""
        assert running.machine.out("systemctl", "list-unit-files", "--no-legend", "pinakad*", check=False) == ""
        assert running.machine.run("pgrep", "-f", "pinakad[.]|-m pinakad", check=False).stdout == ""
    finally:
        setup(running)


def test_a_dry_run_tells_all_and_touches_nothing_and_remove_takes_away_all_but_the_data(controller: Controller) -> None:
    said = setup(controller, "--remove").stdout
    try:
        assert "pinakad.service" not in controller.machine.out("systemctl", "list-unit-files", "--no-pager")
        assert "/etc/systemd/system/pinakad-script@.service" in said
        assert controller.has(WORK / "key/ps_key.pem")
        assert controller.has(CONFIG)
        assert "nothing to remove" in setup(controller, "--remove").stdout
        before = installed_files(controller)
        said = setup(controller, "--dry-run").stdout
        assert "would write    /etc/systemd/system/pinakad.service" in said
        assert installed_files(controller) == before
    finally:
        setup(controller)
    controller.systemctl("start", "pinakad")
    controller.deploy("exit 0\n", "sqdn-01")
    assert controller.answer()["outcome"] == "completed"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (BACKEND, "[Service]\nExecStart=/bin/bash /{script}\n"),
        (BACKEND, "[Service]\nExecStart=/usr/bin/python3 /opt/web/app.py\n"),
        ("etc/cron.d/deploy", "* * * * * root /{script}\n"),
    ],
)
def test_a_back_end_that_starts_the_script_itself_is_named_before_anything_is_touched(
    controller: Controller, place: str, text: str
) -> None:
    script = WORK / ".scripts/deployment_service.sh"
    controller.write("opt/web/app.py", f"subprocess.run(['bash', '/{script}'])\n")
    controller.write(place, text.format(script=script))
    try:
        before = installed_files(controller)
        refused = setup(controller, check=False)
        assert refused.returncode == 1
        assert f"'/{place}'" in refused.stderr
        assert "launch = false" in refused.stderr
        assert installed_files(controller) == before
        controller.configure(script={"launch": False})
        setup(controller)
    finally:
        controller.machine.run("rm", f"/{place}", "/opt/web/app.py")


def test_other_paths_are_opened_in_the_sandbox_and_made(controller: Controller) -> None:
    controller.configure(paths={"work_dir": "/srv/pinaka"}, ssh={"key": f"/{WORK}/key/ps_key.pem"})
    setup(controller)
    try:
        controller.systemctl("start", "pinakad")
        controller.write("srv/pinaka/.scripts/deployment_service.sh", "exit 0\n")
        node = controller.node_text("sqdn-01")
        controller.write("srv/pinaka/cluster/nodes/node_01.json", node)
        markers = "srv/pinaka/.markers/deplyment_status"
        controller.machine.run("touch", f"/{markers}/deployment_in_progress")
        wait_for("the answer", lambda: controller.has(f"{markers}/deployment_completed"))
    finally:
        controller.systemctl("stop", "pinakad")
        controller.machine.run("rm", "-r", f"/{CONFIG}", "/srv/pinaka")
        setup(controller)
    assert not controller.has("etc/systemd/system/pinakad.service.d/10-paths.conf")


def test_the_rule_of_an_earlier_version_goes(controller: Controller) -> None:
    rule = "etc/polkit-1/rules.d/50-pinakad.rules"
    controller.write(rule, "polkit.addRule(function (action, subject) { return polkit.Result.YES; });\n")
    said = setup(controller).stdout
    assert f"remove     /{rule}" in said
    assert not controller.has(rule)


def test_an_image_is_set_up_without_touching_the_machine(controller: Controller) -> None:
    image = "/var/tmp/image"
    controller.machine.run("mkdir", "-p", f"{image}/etc", f"{image}/home")
    before = installed_files(controller)
    setup(controller, "--root", image)
    assert installed_files(controller) == before
    unit = controller.read(f"{image}/etc/systemd/system/pinakad.service".lstrip("/"))
    assert "ExecStart=/opt/pinakad/bin/python" in unit
    assert controller.has(f"{image}/etc/systemd/system/multi-user.target.wants/pinakad.service".lstrip("/")) or (
        controller.machine.out("readlink", f"{image}/etc/systemd/system/multi-user.target.wants/pinakad.service")
    )
    assert controller.has(f"{image}/{WORK}/.markers/deplyment_status".lstrip("/"))
    controller.machine.run("rm", "-r", image)
