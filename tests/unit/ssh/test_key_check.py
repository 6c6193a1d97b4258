"""Is a key tried when it must be, and only then?"""

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from probing import pool, workers
from site_folders import write_key

from pinakad.config import SshSettings
from pinakad.login.key_file import SshKeyError
from pinakad.ssh.key_check import KeyCheck

LATER_NS = 10**9


class Keys:
    """A key file, a check whose clock is a second ahead of its times, and how often a worker was needed."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "key.pem"
        write_key(self.path)
        self.check = KeyCheck(lambda: time.time_ns() + LATER_NS)

    async def needs_worker(self) -> bool:
        """Check the key; return whether a worker was started for it. Raises SshKeyError."""
        tried = pool(self.path, SshSettings())
        try:
            await self.check.require_usable(self.path, tried)
            return bool(workers())
        finally:
            tried.close()


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[Keys]:
    yield Keys(tmp_path)
    assert workers() == []


async def test_a_key_that_could_be_used_is_not_tried_again(keys: Keys) -> None:
    assert await keys.needs_worker()
    assert not await keys.needs_worker()


async def test_a_key_that_changes_is_tried_again_and_its_fault_found(keys: Keys) -> None:
    await keys.needs_worker()
    keys.path.write_text("rubbish", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(SshKeyError, match="not a private key"):
            await keys.needs_worker()
    keys.path.unlink()
    with pytest.raises(SshKeyError, match="no such file"):
        await keys.needs_worker()
    write_key(keys.path)
    assert await keys.needs_worker()
    assert not await keys.needs_worker()


async def test_a_certificate_that_comes_later_is_tried(keys: Keys) -> None:
    await keys.needs_worker()
    keys.path.with_name("key.pem-cert.pub").write_text("rubbish", encoding="utf-8")
    with pytest.raises(SshKeyError, match="certificate"):
        await keys.needs_worker()


async def test_who_may_read_the_key_is_part_of_it(keys: Keys) -> None:
    await keys.needs_worker()
    keys.path.chmod(0o640)
    assert await keys.needs_worker()


async def test_a_key_that_has_just_changed_is_not_remembered(tmp_path: Path) -> None:
    """It could change once more and show the same times."""
    keys = Keys(tmp_path)
    written_ns = keys.path.stat().st_ctime_ns
    keys.check = KeyCheck(lambda: written_ns)
    assert await keys.needs_worker()
    assert await keys.needs_worker()


async def test_one_that_is_replaced_with_the_times_of_the_old_one_is_tried(keys: Keys, tmp_path: Path) -> None:
    await keys.needs_worker()
    before = keys.path.stat()
    (tmp_path / "new").write_text("x" * before.st_size, encoding="utf-8")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns))
    (tmp_path / "new").rename(keys.path)
    with pytest.raises(SshKeyError):
        await keys.needs_worker()
