"""A supervisor makes `started` visible, and only then finds that somebody else runs the script: is that followed?"""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scripts import Place, until_there

from pinakad.linux.clock import boot_id
from pinakad.script import records
from pinakad.script.launch_record import LaunchRecord
from pinakad.script.outcome import Running, Started
from pinakad.script.records import adopted_record
from pinakad.script.running_scripts import start_ticks

LAUNCHES = 10


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.close()


def record_of(process: "subprocess.Popen[bytes]") -> str:
    text = adopted_record("20261123T212455Z.0001", process.pid, start_ticks(process.pid) or 0, boot_id())
    return text.replace('"adopted": 1, ', "")


def test_it_is_once_its_own_script_is_gone_and_not_before(tmp_path: Path) -> None:
    own, other = (subprocess.Popen(["sleep", "1000"]) for _ in range(2))
    record = LaunchRecord(tmp_path, "20261123T212455Z.0001")
    (tmp_path / records.STARTED).write_text(record_of(own))
    assert isinstance(found := record.started(), Started)
    assert (found.script_pid, found.adopted) == (own.pid, False)
    adopted = adopted_record("20261123T212455Z.0001", other.pid, start_ticks(other.pid) or 0, boot_id())
    (tmp_path / records.ADOPTED).write_text(adopted)
    while_it_runs = record.started()
    own.kill()
    own.wait()
    after_it = record.started()
    other.kill()
    other.wait()
    assert while_it_runs == found  # a script that leaves such a file is followed all the same
    assert isinstance(after_it, Started)
    assert (after_it.script_pid, after_it.adopted) == (other.pid, True)


async def test_a_launch_returns_the_run_that_its_supervisor_has_adopted_however_soon_it_was_seen(
    place: Place,
) -> None:
    place.script("touch up; read -r _")
    other = await asyncio.create_subprocess_exec("bash", str(place.path), cwd=place.root, stdin=subprocess.PIPE)
    await until_there(place.root / "up")
    for _ in range(LAUNCHES):
        script = place.script()
        with script.launch_prepared():
            found = await script.launch()
        assert isinstance(found, Started)
        assert (found.script_pid, found.adopted) == (other.pid, True)
        assert isinstance(script.status(), Running)
        for path in place.folder.iterdir():
            path.unlink()
    await other.communicate(b"\n")
