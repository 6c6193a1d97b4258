"""Which address does a name have?

A resolver without an answer blocks for half a minute (resolv.conf(5)), and nothing can stop it. So each query has a
thread of its own: it blocks neither the loop's threads, in which the state is written, nor the end of the daemon.
"""

import asyncio
import errno
import socket
from concurrent.futures import Future
from functools import partial

from pinakad.linux.threads import NoThreadError, start_thread

Address = tuple[socket.AddressFamily, str]
_under_way: dict[str, Future[Address]] = {}
"""The queries that are under way, one for each name: a second request for a name joins the first one."""


async def resolve(name: str) -> Address:
    """Return the family and the address that the resolver prefers (getaddrinfo(3)).

    Raises OSError, with EAGAIN where there is no thread, and UnicodeError for a name that cannot be encoded.
    """
    future = _under_way.get(name)
    if future is None:
        future = _under_way[name] = Future()
        future.set_running_or_notify_cancel()  # a waiter that is cancelled does not cancel the query
        try:
            start_thread(partial(_query, name, future), f"lookup {name}")
        except NoThreadError as error:
            del _under_way[name]
            raise OSError(errno.EAGAIN, str(error)) from None
    return await asyncio.wrap_future(future)


def _query(name: str, future: Future[Address]) -> None:
    try:
        family, _, _, _, target = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        del _under_way[name]
        future.set_exception(error)
    except OSError as error:
        # EAI_SYSTEM: this machine failed; which errno it leaves depends on the name service switch (nsswitch.conf(5))
        del _under_way[name]
        future.set_exception(OSError(errno.EAGAIN, (error.strerror or "the resolver failed").lower()))
    else:
        del _under_way[name]
        future.set_result((family, str(target[0])))
