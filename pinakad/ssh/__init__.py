"""What does one attempt to log in to a node find?

One attempt is one TCP connection: connect and banner (reach.py), then key exchange, login and commands (login.py) on
one of a few threads, with host_keys.py in between. This package is the only importer of paramiko in the daemon.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from pinakad.config import SshSettings
from pinakad.polling import NodeReason, Probe
from pinakad.problems import printable
from pinakad.ssh.connect import Connector
from pinakad.ssh.host_keys import HostKeys, name_for
from pinakad.ssh.login import Login
from pinakad.ssh.reach import Failure, Limits, Reached, reach

BASELINE_S = 2.0
BASELINE_EACH_S = 0.01
LOGINS = 8
"""How many logins are under way at once: they share the interpreter's lock, more would only switch more."""


class SshKeyError(Exception):
    """The private key or the operator's known_hosts cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in, and whether the last attempt there stalled: then it waits behind the others."""

    address: str
    port: int
    user: str
    stalled: bool = False


def load_key(path: Path) -> paramiko.PKey:
    """Read a private key of any type that paramiko knows. Raises SshKeyError."""
    try:
        return paramiko.PKey.from_path(path)
    except FileNotFoundError:
        raise SshKeyError(f"cannot read the SSH key '{path}': no such file") from None
    except OSError as error:
        raise SshKeyError(f"cannot read the SSH key '{path}': {(error.strerror or '').lower()}") from None
    except (paramiko.PasswordRequiredException, TypeError):
        raise SshKeyError(f"cannot use the SSH key '{path}': it needs a passphrase; use one without") from None
    except (ValueError, paramiko.SSHException, UnknownKeyType) as error:
        cause = printable(str(error)) or "unknown format"
        raise SshKeyError(f"cannot use the SSH key '{path}': not a private key ({cause})") from None


def open_host_keys(pinned: Path, settings: SshSettings) -> HostKeys:
    """Return the host keys under the policy of `settings`. Raises SshKeyError where the operator's file is unusable."""
    try:
        return HostKeys(pinned, settings.host_keys, settings.known_hosts)
    except (OSError, ValueError, paramiko.SSHException) as error:
        cause = (error.strerror or "" if isinstance(error, OSError) else printable(str(error))).lower()
        raise SshKeyError(f"cannot read known_hosts '{settings.known_hosts}': {cause}") from None


class Prober:
    """Makes attempts, any number at once; only LOGINS of them log in at the same time."""

    def __init__(self, settings: SshSettings, key: paramiko.PKey, host_keys: HostKeys) -> None:
        self._settings = settings
        self._key = key
        self.host_keys = host_keys
        self._lane = _Lane(LOGINS)
        self._connector = Connector(asyncio.get_running_loop())
        self._threads = ThreadPoolExecutor(LOGINS, thread_name_prefix="login")

    async def ask(self, target: Target, cut_s: float | None, ready_command: str = "") -> Probe:
        """Make one attempt. It is cut at `cut_s` (on the loop's clock), and in any case at the sum of its limits."""
        began_s = asyncio.get_running_loop().time()
        found = await reach(self._connector, target.address, target.port, self._limits(cut_s))
        if isinstance(found, Failure):
            return Probe(began_s, found.rung, found.reason, found.message)
        return await self._login(found, target, began_s, cut_s, ready_command)

    async def ask_all(self, targets: Sequence[Target]) -> list[Probe]:
        """Ask every node once, all at the same time: for BASELINE_S, and a little more for each that answers."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        reached: list[Target] = []

        async def one(target: Target) -> Probe:
            found = await reach(self._connector, target.address, target.port, self._limits(began_s + BASELINE_S))
            if isinstance(found, Failure):
                return Probe(began_s, found.rung, found.reason, found.message)
            reached.append(target)
            return await self._login(found, target, began_s, None, "")

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(target), name=f"baseline {target.address}") for target in targets]
            await asyncio.wait(tasks, timeout=BASELINE_S)
            ends_s = began_s + BASELINE_S + BASELINE_EACH_S * len(reached)
            await asyncio.wait(tasks, timeout=max(0.0, ends_s - loop.time()))
            for task in tasks:
                task.cancel()
        late = Probe(began_s, None, NodeReason.TIMEOUT, "it did not answer in time")
        return [late if task.cancelled() else task.result() for task in tasks]

    def close(self) -> None:
        """Let the threads go; a login that is under way ends with its socket."""
        self._connector.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _limits(self, cut_s: float | None) -> Limits:
        settings = self._settings
        return Limits(settings.connect_timeout_s, settings.banner_timeout_s, settings.auth_timeout_s, cut_s)

    async def _login(
        self, found: Reached, target: Target, began_s: float, cut_s: float | None, ready_command: str
    ) -> Probe:
        """Log in on one of the threads. To wait for one is not charged to the attempt."""
        loop = asyncio.get_running_loop()
        name = name_for(target.address, target.port)
        sock = found.sock
        login = Login(sock, name, target.user, self._key, self.host_keys)
        try:
            await self._lane.enter(behind=target.stalled)
        except BaseException:
            sock.close()
            raise
        deadline = _Deadline(login, cut_s)
        deadline.set(found.left_s)

        def logged_in() -> None:
            loop.call_soon_threadsafe(deadline.set, self._settings.command_timeout_s)

        work = loop.run_in_executor(self._threads, lambda: login.run(began_s, ready_command, on_login=logged_in))
        work.add_done_callback(lambda _: self._lane.leave())
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            login.cut()
            raise
        finally:
            deadline.clear()


class _Deadline:
    """Cuts a login when its present step takes too long, or when everything is cut."""

    def __init__(self, login: Login, cut_s: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._login = login
        self._cut_s = cut_s
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    def set(self, limit_s: float) -> None:
        """A step begins that may take so long."""
        self._stop()
        if not self._over:
            moment_s = self._loop.time() + limit_s
            moment_s = moment_s if self._cut_s is None else min(moment_s, self._cut_s)
            self._timer = self._loop.call_at(moment_s, self._login.cut)

    def clear(self) -> None:
        """The login is over."""
        self._over = True
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class _Lane:
    """Lets a bounded number of logins through; who stalled last time comes after all others."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())

    async def enter(self, *, behind: bool) -> None:
        """Wait for a free place."""
        if self._free:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[behind].append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to whoever is next."""
        for queue in self._waiting:
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._free += 1
