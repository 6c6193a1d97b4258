"""Do the machines of the lab leave each other alone?"""

from pathlib import Path

from controller import Controller


def test_each_machine_has_control_groups_of_its_own(controller: Controller) -> None:
    groups = [
        Path(f"/proc/{machine.pid}/cgroup").read_text(encoding="utf-8") for machine, _ in controller.nodes.values()
    ]
    assert len(set(groups)) == len(groups) == 4
