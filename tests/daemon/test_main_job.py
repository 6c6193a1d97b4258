"""The main job: seven real machines, every known form of node file, two of them coming up late."""

import json
import os

from forms import bonds, default, flat, lower_case, segregated, tenth
from machines import Machines
from world import World

from pinakad.report.document import Report
from pinakad.report.vocabulary import ScriptState

FORMS = {1: default, 2: lower_case, 3: bonds, 4: segregated, 5: flat, 6: tenth, 12: default}
SOURCES = {1: "primary", 2: "primary", 3: "primary", 4: "mgmt", 5: "primary", 6: "primary", 12: "primary"}
LATE = (4, 12)


def test_seven_nodes_of_every_form_are_deployed_two_of_them_coming_up_late(world: World, machines: Machines) -> None:
    for number, form in FORMS.items():
        machines.add(number)
        world.add_node(number, form)
    superseded = world.add_node(7, hostname="SQDN-012")  # node_12.json has the same host: it counts

    def act(word: str) -> None:
        assert word == "install"
        for number in FORMS:
            machines[number].reboot(up=number not in LATE, host_key=number == 1)

    call = machines.on_call(act)
    facts = f'env > "{world.root}/env"; pwd > "{world.root}/cwd"; umask; ls "$PINAKAD_NODES_DIR"'
    world.write_script(f"{facts}\n{call('install')}\necho told >&2")
    world.start()
    before = {number: machines[number].boot_id for number in FORMS}
    world.touch()
    for number in LATE:
        world.wait_for_node(number, lambda node: node.attempts >= 2 and node.reason == "refused")
        machines[number].start()
    report = world.answer()
    world.wait_idle()

    assert (report.outcome, report.reason) == ("completed", None)
    assert [path.name for path in world.markers.iterdir() if not path.name.startswith(".pinakad-")] == [
        "deployment_completed"
    ]
    assert report == world.report(report.id)
    assert [(node.number, node.address, node.address_source) for node in report.nodes] == [
        (number, world.address(number), SOURCES[number]) for number in FORMS
    ]
    for node in report.nodes:
        assert (node.state, node.rebooted, node.reboot_evidence) == ("up", True, "boot_id")
        assert (node.boot_id_before, node.boot_id_after) == (before[node.number], machines[node.number].boot_id)
        assert node.reported_hostname == node.hostname == f"sqdn-{node.number:03d}"
        assert node.host_key == ("changed" if node.number == 1 else "new")  # new: never met before this run
        assert node.number not in LATE or node.reasons["refused"] >= 2
    assert [(entry.file, entry.by) for entry in report.superseded] == [(superseded.name, "node_12.json")]
    assert [(problem.file, problem.code) for problem in report.problems] == [
        ("node_06.json", "duplicate_type"),
        ("node_12.json", "hostname_reused"),  # as a warning: of its two files only the disk's common name is the same
        ("node_01.json", "host_key_changed"),
    ]
    assert_the_script_saw_what_it_is_promised(world, report)
    assert world.runs() == [report.id]


def assert_the_script_saw_what_it_is_promised(world: World, report: Report) -> None:
    folder = world.folder(report.id)
    lines = (world.root / "env").read_text(encoding="utf-8").splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    for name in ("PWD", "SHLVL", "_"):  # bash's own
        environment.pop(name, None)
    assert set(environment) == {
        *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG"),
        *("PINAKAD_DEPLOYMENT_ID", "PINAKAD_NODES_DIR", "PINAKAD_WORK_DIR"),
    }
    assert environment["PINAKAD_DEPLOYMENT_ID"] == report.id
    assert environment["PINAKAD_NODES_DIR"] == str(folder / "nodes")
    assert environment["PINAKAD_WORK_DIR"] == str(world.work_dir)
    assert (world.root / "cwd").read_text(encoding="utf-8").strip() == str(world.work_dir)
    names = [f"node_{number:02d}.json" for number in FORMS]
    assert (folder / "script.log").read_text(encoding="utf-8").splitlines() == ["0022", *names, "told"]
    for name in names:
        copied = folder / "nodes" / name
        assert json.loads(copied.read_bytes()) == json.loads((world.nodes / name).read_bytes())
        assert copied.stat().st_mode & 0o777 == 0o640
    assert (folder / "script.log").stat().st_mode & 0o777 == 0o640
    assert (folder / "report.json").stat().st_mode & 0o777 == 0o644
    script = report.script
    assert script is not None
    assert (script.state, script.exit_code, script.signal) == (ScriptState.EXITED, 0, None)
    assert script.log == os.fspath(folder / "script.log")
