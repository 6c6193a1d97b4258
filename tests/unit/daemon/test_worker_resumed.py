"""A request that was taken when the daemon died: is it still the one that was asked for?"""

import asyncio
from pathlib import Path

import pytest
from stage import Stage, StageScript

from pinakad.config import Config, PathSettings
from pinakad.daemon.worker import RequestWorker
from pinakad.deployment.dependencies import Dependencies
from pinakad.markers.folder import Markers
from pinakad.markers.names import CANCEL, FAILED, REQUEST
from pinakad.problems import Code
from pinakad.report.document import Report
from pinakad.report.vocabulary import Reason
from pinakad.state.retry import WriteRetry
from pinakad.state.store import Store
from pinakad.state.troubles import Troubles
from pinakad.times import Moment


class PowerCutError(Exception):
    """The daemon died here."""


class Office:
    """A worker with a real state folder and marker folder, and a stage for the rest."""

    def __init__(self, root: Path) -> None:
        self.store, self.markers = Store(root / "state"), root / "markers"
        for folder in (self.store.root, self.markers):
            folder.mkdir()
        self.store.prepare()
        self.stage = Stage(script=StageScript())

    def worker(self, *, dies: bool = False) -> RequestWorker:
        def dependencies_for(_report: Report) -> Dependencies:
            if dies:
                raise PowerCutError
            return self.stage.dependencies()

        def here() -> Moment:
            return Moment("boot", 1000.0, 1_780_000_000.0)

        config = Config(paths=PathSettings(markers=self.markers))
        troubles = Troubles()
        write_retry = WriteRetry(lambda: asyncio.sleep(0), troubles)
        markers = Markers(self.markers, troubles)
        return RequestWorker(self.store, markers, lambda: config, dependencies_for, here, write_retry, troubles)


def later(one: Path, other: Path) -> bool:
    return one.stat().st_ctime_ns > other.stat().st_ctime_ns


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


@pytest.mark.looptime(start=1000)
async def test_an_invalid_request_is_still_invalid_after_a_restart_and_never_one_for_all_nodes(office: Office) -> None:
    (office.markers / CANCEL).touch()
    while (office.markers / "clock").touch() or not later(office.markers / "clock", office.markers / CANCEL):
        pass
    (office.markers / "clock").unlink()
    (office.markers / REQUEST).write_text('{"nodes": []}')
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            await office.worker(dies=True).serve(group)
    assert caught.group_contains(PowerCutError)
    async with asyncio.TaskGroup() as group:
        await office.worker().pick_up(group, lambda: None)
    report = Report.model_validate_json((office.markers / FAILED).read_bytes())
    assert report.reason is Reason.INVALID_REQUEST
    assert [problem.code for problem in report.problems] == [Code.BAD_VALUE, Code.CANCEL_REMOVED]
    assert office.stage.script is not None
    assert office.stage.script.launches == 0
    assert [entry.name for entry in office.markers.iterdir()] == [FAILED]
