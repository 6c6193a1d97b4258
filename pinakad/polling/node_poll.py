"""When is a node up?

The law:
- A node is `up` after an attempt that passed every rung of the ladder. Only an attempt that began after the script's
  exit confirms it. A node that was up falls back to `waiting` when a later attempt fails.
- The ready_command is run only on a machine that has passed identity and reboot in the same attempt: it may confirm
  something there.
- A node is `failed` only after the end of polling, stays `failed`, and has had a chance before: an attempt that ended
  by itself, and began after the script's exit and after the last absence of the daemon. A node that fell back gets
  another chance.
- An attempt that could not be made, because this machine lacks something (a thread, a descriptor, memory, the key),
  says nothing about the node, and the node gets another chance. Where no attempt can be made for long after the end
  either, the node stays `waiting`: it is not declared failed.
- All nodes are up together only where each answered within the last interval, or once more after the last one came up.
Nothing here reads a clock, opens a socket or waits: time comes in, a new frozen value comes out.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pinakad.polling.baseline import Baseline, proof_of_reboot, why_not_this_machine
from pinakad.polling.schedule import Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason, NodeState, RebootEvidence, Rung
from pinakad.times import Instant

AUTH_FAILED_PAUSE_S = 15.0
"""OpenSSH 9.8 and later shut out a source whose logins keep failing (sshd_config(5), PerSourcePenalties)."""
ROUND_EACH_S = 0.01
"""The CPU time of a login here, at most: thousands of nodes cannot all answer within one interval."""
AWAY_S = 2.0
"""The shortest pause of this process that counts: a busy machine with ten thousand nodes is late by half a second."""
MAX_LATE_PAUSES = 10
"""How many pauses after the end postpone the verdict: a machine that is always late gets its verdict, too."""


_LADDER = {rung: step for step, rung in enumerate(Rung)}


class Attention(NamedTuple):
    """When the daemon last checked the clock (every half second, unless the process is paused), and how many pauses
    there were after the end of polling.
    """

    checked_s: float
    late_pauses: int = 0

    def at(self, now_s: float, ends_s: float | None) -> "tuple[Attention, bool]":
        """Return the attention from now on, and whether there was a pause that postpones the verdict."""
        if now_s - self.checked_s < AWAY_S:
            return Attention(now_s, self.late_pauses), False
        late = ends_s is not None and now_s >= ends_s
        return Attention(now_s, self.late_pauses + late), self.late_pauses < MAX_LATE_PAUSES


class NodePoll(NamedTuple):
    """The state of polling one node. `*_wall_s` are seconds since 1970, for the report.

    A named tuple, because each attempt at each node makes a new one: dataclasses.replace takes three times as long.
    """

    state: NodeState = NodeState.WAITING
    confirmed: bool = False
    attempts: int = 0
    rung: Rung | None = None
    last_rung: Rung | None = None
    reason: NodeReason | None = None
    reasons: Mapping[NodeReason, int] = {}
    message: str = ""
    first_attempt_wall_s: float | None = None
    last_attempt_wall_s: float | None = None
    up_wall_s: float | None = None
    host_key: HostKey | None = None
    boot_id: str | None = None
    rebooted: bool | None = None
    reboot_evidence: RebootEvidence | None = None
    hostname: str | None = None
    stable_count: int = 0
    stalled: bool = False
    paused_until_s: float = 0.0
    chances: int = 0
    """The attempts that count against the node, see `Schedule.gives_a_chance`, since it was up for the last time."""
    answered_s: float = 0.0
    """When it answered as up for the last time, in seconds on the boot clock."""
    lack: str = ""
    """What this machine lacked for the last attempt, "" where that was made."""
    unasked_since_s: float = 0.0
    """Since when no attempt could be made, in seconds on the boot clock; valid while there is a `lack`."""

    def after(
        self, result: AttemptResult, baseline: Baseline, settings: PollSettings, schedule: Schedule, now: Instant
    ) -> "NodePoll":
        """Return the state after an attempt. Raises ValueError for a failed node: that state is never left."""
        if self.state is NodeState.FAILED:
            raise ValueError("cannot go on polling a node: it was given up")
        if result.not_made:
            return self._not_asked(result.message, now)
        facts = self._facts(result, baseline, schedule, now)
        reason, rung, message = self._judge(facts, result, baseline, settings)
        if reason is not None:
            return self._replace(**(facts | self._failed_attempt(reason, rung, message, now)))
        return self._replace(
            **facts,
            state=NodeState.UP,
            confirmed=schedule.exited_s is not None and result.began_s >= schedule.exited_s,
            rung=Rung.STABLE,
            last_rung=Rung.STABLE,
            reason=None,
            message="",
            lack="",
            up_wall_s=self.up_wall_s if self.state is NodeState.UP else now.wall_s,
            paused_until_s=0.0,
            # an answer that waited while this process was paused is as old as its question
            answered_s=now.boot_s if result.began_s >= schedule.back_s else result.began_s,
        )

    def may_run_ready(
        self, result: AttemptResult, baseline: Baseline, settings: PollSettings, schedule: Schedule, now: Instant
    ) -> bool:
        """Return whether the machine with these facts is the node, rebooted where that is required."""
        facts = self._facts(result, baseline, schedule, now)
        return why_not_this_machine(facts.get("rebooted", self.rebooted), result, baseline, settings) is None

    def may_use(self, slot_s: float, schedule: Schedule) -> bool:
        """Return whether an attempt is due in the slot at `slot_s`; the last slot is used even during a pause."""
        return slot_s >= self.paused_until_s or schedule.is_last(slot_s)

    def is_over(self, settings: PollSettings, schedule: Schedule, moment_s: float) -> bool:
        """Return whether the node needs no slot from `moment_s` (boot clock) on."""
        ends_s = schedule.ends_s
        return self.confirmed or (
            ends_s is not None and moment_s >= ends_s and self.is_settled(settings, schedule, moment_s)
        )

    def is_settled(self, settings: PollSettings, schedule: Schedule, moment_s: float) -> bool:
        """Return whether the node needs no further attempt, given that polling has ended."""
        left_open = bool(self.lack) and not schedule.asks_on(self.unasked_since_s, moment_s)
        return self.confirmed or self.is_spent(settings) or left_open

    def is_spent(self, settings: PollSettings) -> bool:
        """Return whether the node has had its chance, so that it can be given up at the end of polling.

        A node that answers, but not often enough in a row, has as many chances as it needs answers.
        """
        in_a_row = min(settings.stable_checks, settings.attempts) if self.reason is NodeReason.UNSTABLE else 1
        return self.state is NodeState.WAITING and self.chances >= in_a_row

    def away(self) -> "NodePoll":
        """Return the state after an absence of the daemon: the node gets another chance."""
        return self._replace(chances=0)

    def doubted(self) -> "NodePoll":
        """Return the state once the confirmation is too old: the node has to answer once more."""
        return self._replace(confirmed=False)

    def on_record(self) -> "NodePoll":
        """Return the state in which the recorded attempts count as the chances of the node."""
        return self._replace(chances=sum(self.reasons.values()))

    def given_up(self) -> "NodePoll":
        """Return the state after the end of polling. Raises ValueError for a node that has had no chance.

        A node at which no attempt could be made is not up, but is not failed either.
        """
        if self.state is NodeState.FAILED or (self.state is NodeState.UP and self.confirmed):
            return self
        if self.lack:
            return self._replace(state=NodeState.WAITING, up_wall_s=None, reason=NodeReason.ERROR, message=self.lack)
        if self.state is NodeState.UP or not self.chances:
            raise ValueError("cannot give up a node that has had no chance")
        return self._replace(state=NodeState.FAILED)

    def found_at(self, address: str) -> "NodePoll":
        """Return the state of a node that was given up and answers at its old address. Raises ValueError for others."""
        if self.state is not NodeState.FAILED:
            raise ValueError("cannot look elsewhere for a node that was not given up")
        text = f"it answers at its old address {address}; at its new one: {self.message or self.reason}"
        return self._replace(reason=NodeReason.AT_OLD_ADDRESS, message=text)

    def _not_asked(self, cause: str, now: Instant) -> "NodePoll":
        """Return the state after an attempt that could not be made: earlier attempts may be outdated."""
        since_s = self.unasked_since_s if self.lack else now.boot_s
        poll = self._replace(chances=0, lack=cause, unasked_since_s=since_s)
        if self.state is NodeState.UP:
            return poll
        return poll._replace(reason=NodeReason.ERROR, message=cause)

    def _facts(self, result: AttemptResult, baseline: Baseline, schedule: Schedule, now: Instant) -> dict[str, Any]:
        """Return the changed fields that describe what the attempt found, whether it succeeded or not."""
        began_wall_s = now.wall_s - (now.boot_s - result.began_s)
        facts: dict[str, Any] = {
            "attempts": self.attempts + 1,
            "last_attempt_wall_s": began_wall_s,
            "stalled": result.stalled,
            "stable_count": 0,
            "chances": self.chances + schedule.gives_a_chance(result.began_s),
        }
        if self.first_attempt_wall_s is None:
            facts["first_attempt_wall_s"] = began_wall_s
        if result.rung is None:  # a node that is not there has no facts; with thousands of such nodes this must be fast
            return facts
        rebooted, evidence = proof_of_reboot(result, baseline, schedule)
        if evidence is not None:  # a proof stays valid
            facts |= {"rebooted": rebooted, "reboot_evidence": evidence}
        same_boot = None in (result.boot_id, self.boot_id) or result.boot_id == self.boot_id
        return facts | {
            "host_key": _stronger(self.host_key, result.host_key),
            "boot_id": result.boot_id or self.boot_id,
            "hostname": result.hostname or self.hostname,
            "stable_count": self.stable_count + 1 if same_boot else 1,
        }

    def _failed_attempt(self, reason: NodeReason, rung: Rung | None, message: str, now: Instant) -> dict[str, Any]:
        """Return the changed fields of a failed attempt: state, reason and pause."""
        failed: dict[str, Any] = {} if reason is NodeReason.UNSTABLE else {"stable_count": 0}
        if self.state is NodeState.UP:
            failed["chances"] = 0
        return failed | {
            "state": NodeState.WAITING,
            "confirmed": False,
            "rung": _higher(self.rung, rung),
            "last_rung": rung,
            "reason": reason,
            "lack": "",
            "reasons": {**self.reasons, reason: self.reasons.get(reason, 0) + 1},
            "message": message,
            "up_wall_s": None,
            "paused_until_s": now.boot_s + AUTH_FAILED_PAUSE_S if reason is NodeReason.AUTH_FAILED else 0.0,
        }

    def _judge(
        self, facts: dict[str, Any], result: AttemptResult, baseline: Baseline, settings: PollSettings
    ) -> tuple[NodeReason | None, Rung | None, str]:
        """Return reason, rung and message of the first rung above the commands that fails: identity, reboot, readiness,
        stability. The reason is None where none fails.
        """
        if result.reason not in (None, NodeReason.NOT_READY):
            return result.reason, result.rung, result.message
        refused = why_not_this_machine(facts.get("rebooted", self.rebooted), result, baseline, settings)
        if refused is not None:
            return refused
        if result.reason is NodeReason.NOT_READY or (settings.ready_command and result.ready is not True):
            return NodeReason.NOT_READY, Rung.REBOOT, result.message or "the ready_command was not run"
        if facts["stable_count"] < settings.stable_checks:
            text = f"up {facts['stable_count']} of {settings.stable_checks} times in a row"
            return NodeReason.UNSTABLE, Rung.READY, text
        return None, Rung.STABLE, ""


def old_confirmations(polls: Sequence[NodePoll], schedule: Schedule, now_s: float) -> list[int]:
    """Return the indices of the nodes that answered so long before all were up that they may be down again."""
    since_s = now_s - schedule.interval_s - ROUND_EACH_S * len(polls)
    return [index for index, poll in enumerate(polls) if poll.answered_s < since_s]


def _higher(one: Rung | None, other: Rung | None) -> Rung | None:
    reached = [rung for rung in (one, other) if rung is not None]
    return max(reached, key=_LADDER.__getitem__) if reached else None


def _stronger(one: HostKey | None, other: HostKey | None) -> HostKey | None:
    """Return the one of two results that is kept: a key that changed once in a run stays CHANGED."""
    for key in (HostKey.CHANGED, HostKey.NEW, HostKey.SAME):
        if key in (one, other):
            return key
    return None
