"""Which address has a name?

A resolver that gets no answer blocks for half a minute (resolv.conf(5)), and nothing can stop it. So it is asked in
threads that nobody waits for: not the loop's own pool, where the state is written too, and not the daemon's end.
"""

import asyncio
import errno
import socket
from concurrent.futures import Future
from functools import partial

from pinakad.linux.threads import NoThreadError, start_thread

Address = tuple[socket.AddressFamily, str]
_under_way: dict[str, Future[Address]] = {}
"""One question a name: whoever asks again joins it."""


async def resolve(name: str) -> Address:
    """Return the family and the address that the resolver prefers. Raises OSError and UnicodeError."""
    future = _under_way.get(name)
    if future is None:
        future = _under_way[name] = Future()
        future.set_running_or_notify_cancel()  # from now on cancelling whoever waits does not cancel the question
        try:
            start_thread(partial(_query, name, future), f"lookup {name}")
        except NoThreadError as error:
            del _under_way[name]
            raise OSError(errno.EAGAIN, str(error)) from None
    return await asyncio.wrap_future(future)


def _query(name: str, future: Future[Address]) -> None:
    try:
        family, _, _, _, target = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        del _under_way[name]
        future.set_exception(error)
    else:
        del _under_way[name]
        future.set_result((family, str(target[0])))
