import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import SUPPORT
from report_example import finished_report, new_report

from pinakad.linux.locks import LockedError, is_locked, lock
from pinakad.report.document import Report
from pinakad.report.vocabulary import Phase
from pinakad.script.launch_record import was_started
from pinakad.state.pruning import prune, remove, remove_unbegun
from pinakad.state.store import StateUnreadableError, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.prepare()
    return store


def show(store: Store, report: Report) -> None:
    """Write a running report as its progress is written."""
    draft = store.progress(report.id)
    draft.write(report.json_text())
    draft.put_in_place()
    draft.close()


def begun(store: Store, **changes: object) -> Report:
    identifier = store.begin()
    report = new_report().model_copy(update={"id": identifier, **changes})
    store.save(report)
    return report


def test_an_id_is_utc_time_and_a_counter_that_orders_whatever_the_clock_does(store: Store) -> None:
    assert store.ids() == []
    assert store.begin().endswith("Z.0001")
    (store.deployments / "20991231T235959Z.0002").mkdir()
    (store.deployments / "19700101T000000Z.9999").mkdir()
    assert store.begin().endswith("Z.10000")
    assert [name.rpartition(".")[2] for name in store.ids()] == ["0001", "0002", "9999", "10000"]


def test_what_is_no_deployment_is_left_alone(store: Store) -> None:
    (store.deployments / "lost+found").mkdir()
    (store.deployments / "20991231T235959Z.0002").write_text("a file")
    assert store.ids() == []
    assert store.latest() is None


@pytest.mark.parametrize("durable", [True, False])
def test_a_saved_report_is_loaded(store: Store, durable: bool) -> None:
    report = begun(store)
    changed = report.model_copy(update={"phase": Phase.POLLING})
    (Store.save if durable else show)(store, changed)
    assert store.load(report.id) == changed
    assert store.latest() == changed
    assert (store.folder(report.id) / "report.json").stat().st_mode & 0o7777 == 0o644


def test_progress_that_a_power_cut_emptied_falls_back_to_what_was_synced(store: Store) -> None:
    report = begun(store)
    waiting = report.model_copy(update={"phase": Phase.WAITING})
    store.save(waiting)
    show(store, waiting.model_copy(update={"message": "progress"}))
    (store.folder(report.id) / "report.json").write_bytes(b"")
    assert store.load(report.id) == waiting


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "\0" * 50, json.dumps({"schema": 1}), '{"schema": 2}', '{"schema": 1, "schema": 1}']
)
def test_a_report_that_cannot_be_read_is_no_report(store: Store, text: str) -> None:
    report = begun(store)
    for name in ("report.json", "report.durable.json"):
        (store.folder(report.id) / name).write_text(text)
    with pytest.raises(StateUnreadableError, match=r"cannot read '.*report\.json'"):
        store.load(report.id)


def test_a_report_of_another_schema_is_not_taken_for_ours(store: Store) -> None:
    report = begun(store)
    document = json.loads(report.json_text()) | {"schema": 2}
    for name in ("report.json", "report.durable.json"):
        (store.folder(report.id) / name).write_text(json.dumps(document))
    with pytest.raises(StateUnreadableError, match="schema"):
        store.load(report.id)


def test_a_report_is_not_read_through_a_link(store: Store, tmp_path: Path) -> None:
    report = begun(store)
    (tmp_path / "elsewhere").write_bytes(report.json_text())
    for name in ("report.json", "report.durable.json"):
        (store.folder(report.id) / name).unlink()
        (store.folder(report.id) / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateUnreadableError):
        store.load(report.id)


def test_what_is_left_to_do_is_what_was_not_answered_and_folders_without_a_report_go(store: Store) -> None:
    done, left = begun(store), begun(store)
    empty, started = store.begin(), store.begin()
    (store.folder(started) / "started").write_text("{}")
    store.mark_answered(done.id)
    assert store.unanswered() == [left.id, started]
    assert empty in store.ids()
    remove_unbegun(store)
    assert store.ids() == [done.id, left.id, started]
    assert store.unanswered() == [left.id, started]
    assert was_started(store.folder(started))
    assert not was_started(store.folder(left.id))


def test_pruning_keeps_the_latest_and_whatever_is_not_answered(store: Store) -> None:
    reports = [begun(store) for _ in range(6)]
    for report in reports[1:]:
        store.mark_answered(report.id)
    prune(store, 2)
    assert store.ids() == [reports[0].id, reports[4].id, reports[5].id]
    prune(store, 1)
    assert store.ids() == [reports[0].id, reports[5].id]
    prune(store, 100)
    assert len(store.ids()) == 2


def test_a_removal_that_was_cut_is_no_deployment_and_is_ended_at_the_next_start(store: Store) -> None:
    trash = store.deployments / ".trash-20261123T212455Z.0001"
    trash.mkdir()
    (trash / "started").write_text("{}")
    assert store.ids() == store.unanswered() == []
    Store(store.root).prepare()
    assert list(store.deployments.iterdir()) == []


def test_a_deployment_is_removed_although_a_removal_of_that_id_was_cut_before(store: Store) -> None:
    identifier = store.begin()
    (store.deployments / f".trash-{identifier}" / "nodes").mkdir(parents=True)
    remove(store, identifier)
    assert list(store.deployments.iterdir()) == []


def test_the_latest_report_is_the_latest_that_can_be_read(store: Store) -> None:
    first, second = begun(store), begun(store)
    for name in ("report.json", "report.durable.json"):
        (store.folder(second.id) / name).write_text("x")
    assert store.latest() == first


def test_a_snapshot_has_the_files_as_they_were_and_replaces_an_earlier_one(store: Store) -> None:
    report = begun(store)
    store.snapshot(report.id, {"node_01.json": b"old", "node_02.json": b"old"})
    folder = store.snapshot(report.id, {"node_01.json": b"\xffnew"})
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("node_01.json", b"\xffnew")]
    assert (folder / "node_01.json").stat().st_mode & 0o7777 == 0o640
    assert folder.stat().st_mode & 0o7777 == 0o755


def test_modes_are_exact_whatever_the_umask(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.umask(0o077); sys.path.insert(0, sys.argv[2])\nfrom pathlib import Path\n"
        "from pinakad.state.store import Store\nfrom report_example import new_report\n"
        "store = Store(Path(sys.argv[1])); store.prepare(); name = store.begin()\n"
        "store.save(new_report().model_copy(update={'id': name}))\n"
        "store.snapshot(name, {'node_01.json': b''})\n"
    )
    subprocess.run([sys.executable, "-c", program, tmp_path, SUPPORT], check=True)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert modes.pop("node_01.json") == 0o640
    assert modes.pop("report.json") == modes.pop("report.durable.json") == 0o644
    assert set(modes.values()) == {0o755}


def test_only_one_may_hold_a_lock_and_readers_see_that_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not is_locked(path)
    held = lock(path)
    assert is_locked(path)
    assert is_locked(path)  # to check is not to hold
    with pytest.raises(LockedError, match="another pinakad uses it"):
        lock(path)
    os.close(held)
    assert not is_locked(path)
    os.close(lock(path))


def test_a_lock_is_not_handed_to_children(tmp_path: Path) -> None:
    held = lock(tmp_path / "lock")
    child = subprocess.Popen(["sleep", "1000"], close_fds=False)
    os.close(held)
    with (tmp_path / "other").open("w"):
        again = lock(tmp_path / "lock")
    fcntl.flock(again, fcntl.LOCK_UN)
    os.close(again)
    child.kill()
    child.wait()


def test_a_finished_report_is_kept_as_it_is(store: Store) -> None:
    report = finished_report().model_copy(update={"id": store.begin()})
    store.save(report)
    assert store.load(report.id).json_text() == report.json_text()
