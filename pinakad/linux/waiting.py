"""Wait for an event with a timeout, without swallowing cancellation."""

import asyncio
from contextlib import suppress


async def wait_until_set(event: asyncio.Event, limit_s: float) -> bool:
    """Wait for the event; return False where the limit (seconds on the loop's clock) comes first.

    Not `asyncio.wait_for`: before Python 3.12 it swallows a cancellation that comes at the same time as the event, and
    the cancelled task runs for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            return await event.wait()
    return False
