"""What do members of the producers' group make root do, when root runs pinakactl in the folders that they may write?

Root is real, and so are the others: user ids of their own, bound by modes. What must not change is a file of root's and
one of the daemon's user, which no member of the group may use; what root makes belongs to the folder's owner.
"""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from paths import PROGRAMS
from pinakactl import Operator
from report_example import new_report
from site_folders import CANCEL, REQUEST
from world import World

from pinakad.client.access import opened
from pinakad.client.errors import ClientError
from pinakad.client.node_store import RETIRED, next_number, retire, store
from pinakad.state.store import Store

DAEMON, GROUP, PRODUCER = 40_711, 40_712, 40_713
TRIES, LIMIT_S = 400, 40.0
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be misled so")


class Site:
    """A world as `setup` makes it: nodes and markers are the daemon's user's, and the group may write there."""

    def __init__(self, world: World) -> None:
        self.world = world
        for folder in (world.nodes, world.markers.parent, world.markers):
            os.chown(folder, DAEMON, GROUP)
            folder.chmod(0o2775)
        for folder in (world.work_dir, world.work_dir / "cluster"):
            folder.chmod(0o755)
        os.chown(world.key, DAEMON, DAEMON)
        world.key.chmod(0o600)
        self.vault = world.root / "vault"
        self.vault.mkdir(mode=0o700)
        self.secret, self.program = self.vault / "shadow", self.vault / "program"
        self.secret.write_text("root's secret\n", encoding="utf-8")
        self.secret.chmod(0o600)
        self.program.write_text("#!/bin/sh\n", encoding="utf-8")
        self.program.chmod(0o755)
        self.before = self.outside()

    def add_node(self) -> None:
        """Store a node file as a producer does."""
        self.world.add_node(1)
        os.chown(self.world.nodes / "node_01.json", PRODUCER, GROUP)

    def outside(self) -> list[tuple[object, ...]]:
        """Return all of what is none of a producer's business that a write, a chmod, a chown or a touch changes."""
        found: list[tuple[object, ...]] = []
        for path in (self.vault, *sorted(self.vault.rglob("*")), self.world.key.parent, self.world.key):
            status = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            found.append((path, status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, content))
        return found

    def check(self) -> None:
        """Assert that nothing outside changed, and that nothing inside lends root's rights."""
        assert self.outside() == self.before
        for folder in (self.world.nodes, self.world.markers):
            for path in folder.rglob("*"):
                status = path.lstat()
                assert status.st_uid != 0, f"{path} is root's"
                assert not status.st_mode & stat.S_ISUID, path

    def as_producer(self, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Begin a program of a member of the group, in the nodes folder."""
        command = ["setpriv", f"--reuid={PRODUCER}", f"--regid={GROUP}", "--clear-groups", *words]
        folder = cwd or self.world.nodes
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    @contextmanager
    def exchanging(self, name: str, *targets: Path, folder: Path | None = None) -> Iterator[None]:
        """Exchange what root makes under `name` for links, as often as it can be; assert that it could."""
        program = (PROGRAMS / "exchanger.py").read_text(encoding="utf-8")  # a producer may not enter the checkout
        words = [sys.executable, "-S", "-c", program, name, *map(str, targets)]
        racer = self.as_producer(*words, cwd=folder)
        assert racer.stdin is not None
        assert racer.stdout is not None
        try:
            assert racer.stdout.readline() == "ready\n"
            yield
            racer.stdin.close()
            assert int(racer.stdout.readline()) > 0, "it never met the name: nothing was tried"
        finally:
            racer.kill()
            racer.wait()
            racer.stdout.close()
            racer.stdin.close()


@pytest.fixture
def site(world: World) -> Iterator[Site]:
    site = Site(world)
    yield site
    site.check()


# --- races


@pytest.mark.parametrize("mode", [0o2775, 0o6775, 0o6777])
def test_a_producer_that_exchanges_the_folder_for_the_retired_changes_nothing_outside(site: Site, mode: int) -> None:
    site.world.nodes.chmod(mode)
    ends_s = time.monotonic() + LIMIT_S
    with site.exchanging(RETIRED, site.world.key, site.secret, site.program, site.vault):
        for number in range(1, TRIES + 1):
            with suppress(ClientError), opened(site.world.nodes) as folder:
                folder.create(f"node_{number:02d}.json", b"{}", 0o664, durable=False)
                retire(folder, [f"node_{number:02d}.json"])
            if time.monotonic() > ends_s:
                break
    assert number > TRIES // 4, "too few tries to mean anything"
    assert_that_it_retires_where_nobody_exchanges(site)


def assert_that_it_retires_where_nobody_exchanges(site: Site) -> None:
    """A racer may win every time, so what was refused is shown to be the racer's doing by what is done without one."""
    with opened(site.world.nodes) as folder:
        for left in (RETIRED, f"{RETIRED}-bait"):
            path = site.world.nodes / left
            if path.is_symlink():
                path.unlink()
            elif path.exists():
                path.rename(site.world.root / left)
        folder.create("node_999.json", b"{}", 0o664, durable=False)
        retire(folder, ["node_999.json"])
    assert (site.world.nodes / RETIRED / "node_999.json").read_bytes() == b"{}"


def test_a_producer_that_exchanges_the_marker_folder_leads_no_request_elsewhere(site: Site) -> None:
    world = site.world
    with site.exchanging("deplyment_status", site.vault, world.key.parent, folder=world.markers.parent):
        ends_s = time.monotonic() + LIMIT_S / 2
        for number in range(TRIES):
            with suppress(ClientError, OSError), opened(world.markers) as folder:
                folder.create(f".pinakad-asking-{number}", b"", 0o664, durable=False)
                folder.create(CANCEL, b"", 0o664, durable=False)
                folder.exchange(f".pinakad-asking-{number}", CANCEL)
                folder.remove(CANCEL)
            if not world.markers.exists():
                with suppress(OSError):
                    world.markers.mkdir()
                    os.chown(world.markers, DAEMON, GROUP, follow_symlinks=False)  # the racer is quick
            if time.monotonic() > ends_s:
                break


def test_a_producer_that_exchanges_drafts_makes_root_store_nothing_elsewhere(site: Site) -> None:
    world = site.world
    with site.exchanging("node_01.json", site.secret, world.key):
        for _ in range(TRIES // 4):
            with suppress(ClientError), opened(world.nodes) as folder:
                store(folder, [b"{}"])
                for name in folder.names():
                    folder.remove(name)


# --- links and the like that are there already


def test_a_link_in_place_of_the_folder_for_the_retired_is_refused(site: Site, operator: Operator) -> None:
    (site.world.nodes / RETIRED).symlink_to(site.vault)
    os.lchown(site.world.nodes / RETIRED, PRODUCER, GROUP)
    site.add_node()
    done = operator.call("retire", "node_01.json")
    assert done.returncode == 1
    assert f"cannot write in '{site.world.nodes / RETIRED}'" in done.stderr
    assert "remove what is there" in done.stderr
    assert operator.call("apply", "-", "--dry-run", stdin="[]").returncode == 1
    assert operator.files() == ["node_01.json", RETIRED]


def test_what_root_retires_belongs_to_the_folders_owner_and_group(site: Site, operator: Operator) -> None:
    site.world.nodes.chmod(0o3775)
    site.add_node()
    assert operator.call("retire", "node_01.json").returncode == 0
    status = (site.world.nodes / RETIRED).stat()
    assert (status.st_uid, status.st_gid, oct(status.st_mode & 0o777)) == (DAEMON, GROUP, "0o775")
    assert status.st_mode & stat.S_ISGID, "what is moved there later is the group's too"
    assert (site.world.nodes / RETIRED / "node_01.json").exists()


def test_what_root_applies_belongs_to_the_folders_owner_and_group(site: Site, operator: Operator) -> None:
    done = operator.call("apply", operator.draft("n.json", operator.node(1)))
    assert done.returncode == 0, done.stderr
    for path in (site.world.nodes / "node_01.json", site.world.markers / REQUEST):
        status = path.stat()
        assert (status.st_uid, status.st_gid, oct(status.st_mode & 0o7777)) == (DAEMON, GROUP, "0o664")


@pytest.mark.parametrize("target", ["shadow", "new", "."])
def test_a_cancel_marker_that_is_a_link_is_not_touched_through(site: Site, operator: Operator, target: str) -> None:
    running(site.world)
    marker = site.world.markers / CANCEL
    marker.symlink_to(site.vault / target)
    os.lchown(marker, PRODUCER, GROUP)
    assert operator.call("cancel", "--no-wait").returncode == 0, "it is there already, whatever it is"
    assert marker.is_symlink()
    marker.unlink()
    assert operator.call("cancel", "--no-wait").returncode == 0
    assert (marker.lstat().st_uid, oct(marker.lstat().st_mode)) == (DAEMON, "0o100664")


def running(world: World) -> None:
    """Leave a deployment that is not over, as a daemon that was stopped does."""
    store = Store(world.state)
    store.prepare()
    store.save(new_report().model_copy(update={"id": store.begin()}))


def test_a_marker_folder_that_is_a_link_in_the_groups_folder_is_not_followed_by_root(
    site: Site, operator: Operator
) -> None:
    world = site.world
    world.markers.rmdir()
    world.markers.symlink_to(site.vault)
    os.lchown(world.markers, PRODUCER, GROUP)
    done = operator.call("apply", operator.draft("n.json", operator.node(1)))
    assert done.returncode == 1
    assert "it is a link in a folder that others may write, and root does not follow it" in done.stderr
    assert operator.files() == []
    world.markers.unlink()
    world.markers.mkdir()
    os.chown(world.markers, DAEMON, GROUP)


def test_a_link_of_the_owners_in_the_owners_folder_is_followed_with_the_owners_rights(
    site: Site, operator: Operator
) -> None:
    world = site.world
    elsewhere = world.root / "disk"
    elsewhere.mkdir()
    world.root.chmod(0o711)
    os.chown(world.work_dir / "cluster", DAEMON, DAEMON)
    world.nodes.rename(elsewhere / "nodes")
    world.nodes.symlink_to("../../disk/nodes")
    assert operator.call("apply", operator.draft("n.json", operator.node(1))).returncode == 0
    world.nodes.unlink()
    world.nodes.symlink_to("../../vault")
    done = operator.call("apply", operator.draft("n.json", operator.node(1)))
    assert (done.returncode, "permission denied" in done.stderr) == (1, True), done.stderr
    world.nodes.unlink()
    (elsewhere / "nodes").rename(world.nodes)


def test_stale_drafts_that_are_folders_hold_nobody_up(site: Site, operator: Operator) -> None:
    folder = site.world.nodes / ".pinakad-draft-x" / "full"
    folder.mkdir(parents=True)
    for path in (folder, folder.parent):
        os.chown(path, PRODUCER, GROUP)
    assert operator.call("apply", operator.draft("n.json", operator.node(1))).returncode == 0


def test_the_number_of_a_retired_file_is_not_used_again(site: Site) -> None:
    with opened(site.world.nodes) as folder:
        names = store(folder, [b"{}", b"{}"])
        retire(folder, names)
        assert next_number(folder) == 3
