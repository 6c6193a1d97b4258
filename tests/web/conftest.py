"""The fixtures of the front door's tests: one that runs, with or without a daemon."""

from collections.abc import Iterator

import pytest
from front_door import FrontDoor
from world import World


@pytest.fixture
def door(world: World) -> Iterator[FrontDoor]:
    """Give a front door that runs; the daemon is not started."""
    door = FrontDoor(world)
    door.start()
    yield door
    door.close()
