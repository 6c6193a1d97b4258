"""Does an error mean that this machine lacks something, so that it says nothing about the peer?"""

import errno
import socket

_ERRNOS = frozenset(
    {
        errno.EMFILE,  # open files of this process (getrlimit(2))
        errno.ENFILE,  # open files of this machine
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EAGAIN,  # processes and threads (fork(2), pthread_create(3))
        errno.ENOSPC,  # watches (epoll_ctl(2))
        errno.ETOOMANYREFS,  # descriptors on their way to another process (unix(7))
    }
)
_OF_THE_RESOLVER = frozenset({socket.EAI_MEMORY, socket.EAI_SYSTEM})  # getaddrinfo(3)


def is_shortage(error: BaseException) -> bool:
    """Return whether descriptors, memory, processes or threads were missing: a later attempt may succeed."""
    if isinstance(error, socket.gaierror):
        return error.errno in _OF_THE_RESOLVER
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _ERRNOS)
