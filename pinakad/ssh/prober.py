"""What does one attempt to log in to a node find?

One attempt is one TCP connection: connect and banner (banner.py), then key exchange, login and commands (login.py) on
one of a few threads, with host_keys.py in between. This package is the only importer of paramiko in the daemon.
"""

import asyncio
import logging
import resource
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko

from pinakad.config import SshSettings
from pinakad.events import Event, fields
from pinakad.linux.threads import NoThreadError, beside
from pinakad.polling.vocabulary import AttemptResult, NodeReason, Rung
from pinakad.ssh.banner import Failure, Limits, Reached, reach
from pinakad.ssh.host_keys import HostKeys, name_for
from pinakad.ssh.limiter import Limiter, Permit
from pinakad.ssh.login import Login
from pinakad.ssh.own_time import OwnTime
from pinakad.ssh.tcp import Connector
from pinakad.ssh.transport import Pace

BASELINE_S = 2.0
BASELINE_EACH_S = 0.01
LOGINS = 32
"""How many logins work at once: enough to use the time in which nodes compute, far longer than this process does."""
SLOW_S = 0.5
"""A login that takes longer waits for its node, and does not count among the logins that work."""
MOST_LOGINS = 256
"""How many logins are under way at once, slow ones included: each costs two threads, 0.1 MB."""
SPARE_DESCRIPTORS = 64
"""Open files that are kept free for all but connections: node files, reports, the journal."""
NO_THREAD_S = 0.1
"""The pause before a login that the system had no thread for is tried again."""

KEPT_WAITING_S = 10.0
"""A node whose connection is open for so long before the login begins may rightly end it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in, and whether the last attempt there stalled: then the next one waits behind the others.

    `fingerprints` (SHA256:..., as ssh-keygen -l prints them): the host key must have one of them, if there are any.
    """

    address: str
    port: int
    user: str
    stalled: bool = False
    fingerprints: tuple[str, ...] = ()


def open_host_keys(pinned: Path, settings: SshSettings) -> HostKeys:
    """Return the host keys under the policy of `settings`. Raises SshKeyError where the operator's file is unusable."""
    return HostKeys(pinned, settings.host_keys, settings.known_hosts)


def descriptors_left() -> int:
    """Return how many more connections the limit of open files (getrlimit(2), RLIMIT_NOFILE) allows."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return 1 << 20
    return max(limit - len(list(Path("/proc/self/fd").iterdir())) - SPARE_DESCRIPTORS, 8)


class Prober:
    """Makes attempts, any number at once: `connections` and LOGINS bound what they share.

    `connections` is how many may be open at once; by default as many as `descriptors_left`.
    """

    def __init__(
        self, settings: SshSettings, key: paramiko.PKey, host_keys: HostKeys, connections: int | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._key = key
        self.host_keys = host_keys
        self._logins = Limiter(MOST_LOGINS, MOST_LOGINS // 2, LOGINS, SLOW_S)
        self._most_open = connections or descriptors_left()
        self._open = Limiter(self._most_open, self._most_open - self._most_open // 8)
        self._logged_full = False
        self._last_limits = Limits(settings.connect_timeout_s, settings.banner_timeout_s, settings.auth_timeout_s)
        self._connector = Connector(self._loop)
        self._pace = Pace()
        self._notices: set[str] = set()
        self._own_time = OwnTime()

    async def attempt(self, target: Target, cut_s: float | None, ready_command: str = "") -> AttemptResult:
        """Make one attempt. It is cut at `cut_s` (on the loop's clock), and in any case after the sum of its limits.

        The attempt begins after the wait for a free connection. Every failure is in the result.
        """
        permit = await self._enter(target)
        began_s = self._loop.time()
        try:
            found = await reach(self._connector, target.address, target.port, self._limits(cut_s))
            if isinstance(found, Failure):
                return _unreached(began_s, found)
            return await self._login(found, target, began_s, cut_s, ready_command)
        finally:
            self._open.leave(permit)

    async def baselines(self, targets: Sequence[Target]) -> list[AttemptResult]:
        """Make one attempt at each target, all at the same time; the results have the order of `targets`.

        They take BASELINE_S at most, and BASELINE_EACH_S more for each target that answers.
        """
        began_s = self._loop.time()
        reached: list[Target] = []

        async def one(target: Target) -> AttemptResult:
            permit = await self._enter(target)
            try:
                found = await reach(self._connector, target.address, target.port, self._limits(began_s + BASELINE_S))
                if isinstance(found, Failure):
                    return _unreached(began_s, found)
                reached.append(target)
                return await self._login(found, target, began_s, None, "")
            finally:
                self._open.leave(permit)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(target), name=f"baseline {target.address}") for target in targets]
            await asyncio.wait(tasks, timeout=BASELINE_S)
            ends_s = began_s + BASELINE_S + BASELINE_EACH_S * len(reached)
            await asyncio.wait(tasks, timeout=max(0.0, ends_s - self._loop.time()))
            for task in tasks:
                task.cancel()
        late = AttemptResult(began_s, None, NodeReason.TIMEOUT, "it did not answer in time")
        return [late if task.cancelled() else task.result() for task in tasks]

    def close(self) -> None:
        """Close the connector; a login that is under way ends with its socket."""
        self._connector.close()

    async def _enter(self, target: Target) -> Permit:
        """Wait until one more connection may be open; the first wait is logged."""
        if not self._logged_full and self._open.is_full(behind=target.stalled):
            self._logged_full = True
            text = "only %d connections can be open at once: nodes are asked less often; raise the limit of open files"
            log.warning(text, self._most_open, extra=fields(Event.FEW_DESCRIPTORS))
        return await self._open.enter(behind=target.stalled)

    def _limits(self, cut_s: float | None) -> Limits:
        if cut_s != self._last_limits.cut_s:
            self._last_limits = replace(self._last_limits, cut_s=cut_s)
        return self._last_limits

    async def _login(
        self, found: Reached, target: Target, began_s: float, cut_s: float | None, ready_command: str
    ) -> AttemptResult:
        """Log in, in a thread; the wait for a thread does not count for the limits of the attempt."""
        name = name_for(target.address, target.port)
        shared = (self._key, self.host_keys, self._pace)
        login = Login(found.sock, name, target.user, *shared, target.fingerprints, self._notices)
        came_s = self._loop.time()
        waits_until_s = came_s + self._settings.auth_timeout_s
        while True:
            try:
                permit = await self._logins.enter(behind=target.stalled)
            except BaseException:
                login.close()
                raise
            try:
                waited_s = self._loop.time() - came_s
                result = await self._run(login, permit, found.left_s, began_s, cut_s, ready_command)
            except NoThreadError as error:
                cause = str(error)
            else:
                self._logins.widen()
                return _if_not_kept_waiting(result, waited_s)
            self._logins.narrow()
            if self._loop.time() >= min(waits_until_s, cut_s or waits_until_s):
                login.close()
                text = f"no thread is left to log in with: {cause}"
                return AttemptResult(began_s, Rung.BANNER, NodeReason.ERROR, text, not_made=True)
            try:
                await asyncio.sleep(NO_THREAD_S)
            except BaseException:
                login.close()
                raise

    async def _run(
        self, login: Login, permit: Permit, left_s: float, began_s: float, cut_s: float | None, ready_command: str
    ) -> AttemptResult:
        """Run the login and give the permit back. Raises NoThreadError where there is no thread."""
        loop = self._loop
        deadline = _Deadline(login, self._own_time, cut_s)
        deadline.set(left_s)

        def logged_in() -> None:
            loop.call_soon_threadsafe(deadline.set, self._settings.command_timeout_s)

        try:
            work = beside(loop, lambda: login.run(began_s, ready_command, on_login=logged_in), "login")
        except NoThreadError:
            self._logins.leave(permit)
            deadline.clear()
            raise
        work.add_done_callback(lambda _: self._logins.leave(permit))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            login.cut()
            raise
        finally:
            deadline.clear()


def _unreached(began_s: float, found: Failure) -> AttemptResult:
    return AttemptResult(began_s, found.rung, found.reason, found.message, not_made=found.is_ours)


def _if_not_kept_waiting(result: AttemptResult, waited_s: float) -> AttemptResult:
    """Return the result as not made where the node ended a connection on which it had waited for this process.

    sshd does so after its LoginGraceTime (sshd_config(5)).
    """
    gave_up = result.reason is NodeReason.ERROR and result.rung in (Rung.BANNER, Rung.HOST_KEY)
    if waited_s < KEPT_WAITING_S or not gave_up:
        return result
    text = f"it had to wait {waited_s:.0f} s for pinakad: {result.message}"
    return replace(result, message=text, not_made=True)


class _Deadline:
    """Cuts a login when its current step takes too much own time (own_time.py), or at `cut_s` (loop's clock)."""

    def __init__(self, login: Login, own_time: OwnTime, cut_s: float | None) -> None:
        self._login = login
        self._own_time = own_time
        self._timer: object | None = None
        self._over = False
        self._cut = None if cut_s is None else asyncio.get_running_loop().call_at(cut_s, login.cut)

    def set(self, limit_s: float) -> None:
        """Begin a step that may take `limit_s` of own time."""
        self._stop()
        if not self._over:
            self._timer = self._own_time.call_later(limit_s, self._login.cut)

    def clear(self) -> None:
        """Stop both timers: the login is over."""
        self._over = True
        self._stop()
        if self._cut is not None:
            self._cut.cancel()

    def _stop(self) -> None:
        if self._timer is not None:
            self._own_time.cancel(self._timer)
