"""Do the numbers for Prometheus say what happened, and does the daemon keep their file up to date?"""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from machines import Machines
from pinakactl import DEADLINE_S, ask, environment, folders, pinakactl
from prometheus_client.parser import text_string_to_metric_families
from world import World

from pinakad.polling.vocabulary import NodeReason, NodeState
from pinakad.report.vocabulary import Outcome, Phase
from pinakad.times import wall_s


def numbers(text: str) -> dict[str, float]:
    """Return every sample by its name and label values: `pinakad_nodes up`. What is no Prometheus text raises."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {" ".join((sample.name, *sample.labels.values())): sample.value for sample in samples}


def told(world: World) -> dict[str, float]:
    return numbers(ask(world, "metrics"))


def in_file(path: Path) -> dict[str, float]:
    return numbers(path.read_text(encoding="utf-8")) if path.exists() else {}


def test_before_the_first_deployment_the_daemon_is_told_and_each_outcome_counts_nothing(world: World) -> None:
    world.start()
    world.wait((world.runtime / "status.json").exists, "status.json")
    found, daemon = told(world), world.status().daemon
    assert (found["pinakad_up"], found["pinakad_request_queued"]) == (1, daemon.queued)
    assert found["pinakad_watch_events"] == (daemon.watch == "events")
    assert [found[f"pinakad_deployments {outcome}"] for outcome in Outcome] == [0, 0, 0]
    assert "pinakad_last_answer_timestamp_seconds" not in found


def test_deployments_are_counted_by_outcome_and_the_latests_nodes_by_state_and_reason(
    world: World, machines: Machines
) -> None:
    machines.add(1)
    world.configure(poll={"attempts": 3})
    world.write_script("exit 1")
    world.add_node(1)
    world.add_node(2)
    world.start()
    for _ in range(2):
        assert world.serve().reason == "script_failed"
    world.write_script("")
    last = world.serve()
    found = told(world)
    assert [found[f"pinakad_deployments {outcome}"] for outcome in Outcome] == [0, 3, 0]
    assert found["pinakad_deployments_not_completed script_failed"] == 2
    assert found["pinakad_deployments_not_completed nodes_unreachable"] == 1
    assert {state: found[f"pinakad_nodes {state}"] for state in NodeState} == {"up": 1, "waiting": 0, "failed": 1}
    assert [reason for reason in NodeReason if found[f"pinakad_nodes_not_up {reason}"]] == ["refused"]
    assert [phase for phase in Phase if found[f"pinakad_deployment_phase {phase}"]] == ["finished"]
    assert [outcome for outcome in Outcome if found[f"pinakad_last_answer {outcome}"]] == ["failed"]
    ended_s, began_s = wall_s(last.finished_at), wall_s(last.started_at)
    assert ended_s is not None
    assert began_s is not None
    assert found["pinakad_last_answer_timestamp_seconds"] == pytest.approx(ended_s, abs=0.001)
    assert 0 <= found["pinakad_last_answer_age_seconds"] < DEADLINE_S
    assert found["pinakad_deployment_duration_seconds"] == pytest.approx(ended_s - began_s, abs=0.002)


def test_where_no_daemon_runs_that_is_a_number_too(world: World) -> None:
    world.write_script("exit 1")
    world.add_node(1)
    world.start()
    world.serve()
    world.kill()
    found = told(world)
    assert (found["pinakad_up"], found["pinakad_watch_events"]) == (0, 0)
    assert found["pinakad_deployments failed"] == 1


def test_it_can_be_written_to_a_file_for_node_exporter(world: World, tmp_path: Path) -> None:
    file = tmp_path / "out.prom"
    assert ask(world, "metrics", "--textfile", file) == ""
    assert in_file(file)["pinakad_up"] == 0
    assert file.stat().st_mode & 0o777 == 0o644
    text = ask(world, "metrics", "--textfile", tmp_path / "none" / "out.prom", code=1)
    assert text.startswith(f"pinakactl: cannot write '{tmp_path}/none/out.prom': no such file or directory; ")


def a_link(place: Path) -> None:
    place.symlink_to("/dev/null")


def a_device(place: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can make a device")
    os.mknod(place, stat.S_IFCHR | 0o666, os.makedev(1, 3))


@pytest.mark.parametrize("make", [a_link, a_device, os.mkfifo])
def test_what_is_no_regular_file_is_never_replaced(world: World, tmp_path: Path, make: Callable[[Path], None]) -> None:
    file = tmp_path / "folder" / "out.prom"
    file.parent.mkdir()
    make(file)
    kind = file.lstat().st_mode
    text = ask(world, "metrics", "--textfile", file, code=1)
    assert "there is something that is no regular file, and it is not replaced" in text
    world.configure(metrics={"textfile": file})
    world.add_node(1)
    world.start()
    world.wait_for_log(f"cannot write [metrics] textfile '{file}': there is something that is no regular file")
    assert "the daemon does not replace [metrics] textfile" in ask(world, "doctor", "--json")
    world.stop()
    assert (file.lstat().st_mode, [path.name for path in file.parent.iterdir()]) == (kind, ["out.prom"])


def test_a_draft_that_is_a_link_is_not_written_through(world: World, tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "out.prom", tmp_path / "elsewhere"
    elsewhere.write_text("before", encoding="utf-8")
    (tmp_path / ".out.prom.new").symlink_to(elsewhere)
    assert ask(world, "metrics", "--textfile", file) == ""
    assert elsewhere.read_text(encoding="utf-8") == "before"
    assert in_file(file)["pinakad_up"] == 0


def test_the_daemon_writes_its_file_at_each_change_of_phase_and_when_it_stops(world: World, tmp_path: Path) -> None:
    file = tmp_path / "pinakad.prom"
    world.configure(metrics={"textfile": file})
    line, go_on = world.gate()
    world.write_script(f"{line}\nexit 1")
    world.add_node(1)
    world.start()
    world.wait(lambda: in_file(file).get("pinakad_up") == 1, "the file")
    world.touch()
    world.wait(lambda: in_file(file).get("pinakad_deployment_phase polling") == 1, "polling in the file", 5)
    assert in_file(file)["pinakad_nodes waiting"] == 1
    go_on()
    world.wait(lambda: in_file(file).get("pinakad_deployments failed") == 1, "the verdict in the file", 5)
    world.stop()
    assert (in_file(file)["pinakad_up"], in_file(file)["pinakad_deployments failed"]) == (0, 1)
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in tmp_path.iterdir() if "prom" in path.name] == ["pinakad.prom"]


def test_a_file_that_cannot_be_written_is_told_once_and_fails_nothing(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "node-exporter"
    world.configure(metrics={"textfile": folder / "pinakad.prom"})
    world.write_script("exit 1")
    world.add_node(1)
    world.start()
    world.wait_for_log(f"cannot write [metrics] textfile '{folder}/pinakad.prom': no such file or directory")
    found = ask(world, "doctor", "--json")
    assert f"the daemon cannot write [metrics] textfile = '{folder}/pinakad.prom'" in found
    assert world.serve().reason == "script_failed"
    assert world.log_text().count("cannot write [metrics]") == 1
    folder.mkdir()
    world.serve()
    world.wait((folder / "pinakad.prom").exists, "the file")


def test_a_reload_turns_it_on(world: World, tmp_path: Path) -> None:
    world.write_script("exit 1")
    world.add_node(1)
    world.start()
    world.configure(metrics={"textfile": tmp_path / "pinakad.prom"})
    world.reload()
    world.serve()
    world.wait(lambda: in_file(tmp_path / "pinakad.prom").get("pinakad_deployments failed"), "the file")


def test_who_does_not_want_numbers_does_not_pay_for_them(world: World) -> None:
    world.write_script("exit 1")
    world.add_node(1)
    world.start(PYTHONVERBOSE="1")
    world.serve()
    assert "import 'pinakad.state.metrics_file'" in world.log_text()
    assert "import 'prometheus_client" not in world.log_text()
    code = (
        "import sys; from pinakad.cli.program import run; run(['status']); sys.exit('prometheus_client' in sys.modules)"
    )
    own = environment(world.root, **folders(world))
    subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, timeout=DEADLINE_S, check=True)


def test_a_state_folder_that_cannot_be_read_is_told_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "deployments").write_bytes(b"")
    done = pinakactl(tmp_path, "metrics")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"pinakactl: cannot read the state folder '{tmp_path}/state': not a directory; ")
