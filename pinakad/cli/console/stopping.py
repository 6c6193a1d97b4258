"""Let a signal end the work in an event loop: the work cleans up, and the exit code names the signal."""

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import click


async def unless_stopped(what: str, work: Coroutine[Any, Any, int]) -> int:
    """Do the work, named `what`, and return its exit code: where a signal cancels it, 128 plus the signal's number."""
    with _signals() as caught:
        try:
            return await work
        except asyncio.CancelledError:
            if not caught:
                raise
            click.echo(f"pinakactl: {what} was stopped by {signal.Signals(caught[0]).name}", err=True)
            return 128 + caught[0]


@contextmanager
def _signals() -> Iterator[list[int]]:
    """The first signal cancels this task; later ones must not disturb its cleaning up."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    caught: list[int] = []

    def stop(number: int) -> None:
        if not caught and task is not None:
            task.cancel()
        caught.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield caught
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
