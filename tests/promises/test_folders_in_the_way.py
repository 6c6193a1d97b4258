"""A folder that stands where a file of ours belongs, in the state folder, holds up no verdict."""

import pytest
from machines import Machines
from world import World

NAMES = ["report.json", ".report.json.new", "report.durable.json", ".report.durable.json.new", "answered"]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_ends_with_its_answer_whatever_the_script_puts_in_our_place(
    world: World, machines: Machines, name: str
) -> None:
    world.add_node(1)
    machines.add(1)
    wait, let_go = world.gate()
    place = f'"$PINAKAD_NODES_DIR/../{name}"'
    world.write_script(f"{wait}\nrm -f {place}; mkdir {place}; touch {place}/inside; exit 6")
    world.start()
    world.touch()
    world.wait(lambda: world.runs() and world.report().phase == "polling", "polling")
    let_go()
    report = world.answer()
    world.wait_idle()
    assert report.reason == "script_failed", report.message
    assert world.report() == report
    world.wait((world.folder() / "answered").is_file, "that nothing is left to do")
    world.write_script("")
    world.stop()
    world.start()
    assert world.serve().id != report.id


def test_what_is_remembered_of_requests_is_written_whatever_stands_there(world: World, machines: Machines) -> None:
    world.add_node(1)
    machines.add(1)
    world.start()
    (world.state / "served.json").unlink(missing_ok=True)
    (world.state / "served.json" / "inside").mkdir(parents=True)
    assert world.serve().outcome == "completed"
    assert (world.state / "served.json").is_file()
