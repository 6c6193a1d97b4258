"""Wait for an event with a timeout, without swallowing cancellation."""

import asyncio
from contextlib import suppress


async def wait_until_set(event: asyncio.Event, limit_s: float) -> bool:
    """Wait for the event; return False where the limit (seconds on the loop's clock) comes first.

    Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes in the same moment as the event,
    and whoever was to stop goes on for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            return await event.wait()
    return False
