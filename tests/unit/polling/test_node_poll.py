from dataclasses import replace
from itertools import product

import pytest

from pinakad.polling.node_poll import (
    AUTH_FAILED_PAUSE_S,
    AWAY_S,
    MAX_LATE_PAUSES,
    ROUND_EACH_S,
    Attention,
    Baseline,
    NodePoll,
    old_confirmations,
)
from pinakad.polling.schedule import Schedule
from pinakad.polling.settings import PollSettings
from pinakad.polling.vocabulary import AttemptResult, HostKey, NodeReason, NodeState, RebootEvidence, Rung
from pinakad.times import Instant

BEFORE, AFTER, THIRD = "0" * 8, "1" * 8, "2" * 8
EXITED = Schedule(launched_s=100, delay_s=90, interval_s=5, attempts=120, exited_s=150)
RUNNING = replace(EXITED, exited_s=None)
SUBJECT = Baseline("sqdn-001.example", BEFORE)
PLAIN = PollSettings()
STRICT = PollSettings(reboot="require", identity="require", stable_checks=2)

STATES = {
    "fresh": NodePoll(),
    "waiting": NodePoll(attempts=3, rung=Rung.LOGIN, last_rung=Rung.CONNECT, reason=NodeReason.TIMEOUT),
    "up": NodePoll(state=NodeState.UP, attempts=3, rung=Rung.STABLE, up_wall_s=1.0, stable_count=1, boot_id=AFTER),
    "confirmed": NodePoll(state=NodeState.UP, confirmed=True, attempts=3, rung=Rung.STABLE, up_wall_s=1.0),
    "failed": NodePoll(state=NodeState.FAILED, attempts=3, reason=NodeReason.REFUSED),
}


def success(began_s: float = 200.0, boot_id: str | None = AFTER, hostname: str | None = "SQDN-001") -> AttemptResult:
    return AttemptResult(began_s, Rung.COMMAND, None, "", HostKey.NEW, boot_id, 20.0, hostname)


def failure(reason: NodeReason, began_s: float = 200.0, rung: Rung | None = Rung.BANNER) -> AttemptResult:
    return AttemptResult(began_s, rung, reason, f"because of {reason}")


def step(
    poll: NodePoll,
    probe: AttemptResult,
    settings: PollSettings = PLAIN,
    schedule: Schedule = EXITED,
    baseline: Baseline = SUBJECT,
) -> NodePoll:
    return poll.after(probe, baseline, settings, schedule, Instant(probe.began_s + 1, 1_000_001.0))


OUTCOMES = {reason.value: failure(reason) for reason in NodeReason} | {
    "success": success(),
    "success before the exit": success(began_s=149.9),
    "success of the old boot": success(boot_id=BEFORE),
    "success of another machine": success(hostname="installer"),
    "success without facts": AttemptResult(200.0, Rung.COMMAND, None),
    "not_ready": replace(success(), reason=NodeReason.NOT_READY, ready=False),
}


def expected(
    outcome: str, settings: PollSettings, schedule: Schedule, earlier: NodePoll
) -> tuple[NodeState, bool, str | None]:
    """Say the law again, the long way: state, confirmed and reason after an attempt."""
    probe = OUTCOMES[outcome]
    if probe.reason is not None:
        return NodeState.WAITING, False, probe.reason
    if settings.identity == "require" and outcome in ("success of another machine", "success without facts"):
        return NodeState.WAITING, False, "wrong_host"
    if settings.reboot == "require" and outcome in ("success of the old boot", "success without facts"):
        return NodeState.WAITING, False, "not_rebooted"
    same_boot = None in (earlier.boot_id, probe.boot_id) or earlier.boot_id == probe.boot_id
    in_a_row = earlier.stable_count + 1 if same_boot else 1
    if in_a_row < settings.stable_checks:
        return NodeState.WAITING, False, "unstable"
    return NodeState.UP, schedule.exited_s is not None and probe.began_s >= schedule.exited_s, None


@pytest.mark.parametrize("schedule", [EXITED, RUNNING], ids=["exited", "running"])
@pytest.mark.parametrize("settings", [PLAIN, STRICT], ids=["plain", "strict"])
@pytest.mark.parametrize(("state", "outcome"), list(product(STATES, OUTCOMES)))
def test_each_state_against_each_outcome(state: str, outcome: str, settings: PollSettings, schedule: Schedule) -> None:
    before = STATES[state]
    kept = before._replace(reasons=dict(before.reasons))
    if state == "failed":
        with pytest.raises(ValueError, match="it was given up"):
            step(before, OUTCOMES[outcome], settings, schedule)
        assert before == kept
        return
    after = step(before, OUTCOMES[outcome], settings, schedule)
    assert (after.state, after.confirmed, after.reason) == expected(outcome, settings, schedule, before)
    assert before == kept
    assert after.attempts == before.attempts + 1
    assert (after.up_wall_s is None) is (after.state is not NodeState.UP)
    assert sum(after.reasons.values()) == (after.state is not NodeState.UP)
    assert (after.last_rung is Rung.STABLE) is (after.state is NodeState.UP)
    assert not after.confirmed or after.state is NodeState.UP


def test_the_ready_command_is_judged_last_and_a_node_where_it_was_not_run_is_not_up() -> None:
    asked = STRICT.model_copy(update={"ready_command": "x", "stable_checks": 1})
    for probe in (success(hostname="installer"), success(boot_id=BEFORE), AttemptResult(200.0, Rung.COMMAND, None)):
        assert not NodePoll().may_run_ready(probe, SUBJECT, asked, EXITED, Instant(201.0, 1_000_001.0))
        assert step(NodePoll(), probe, asked).reason in (NodeReason.WRONG_HOST, NodeReason.NOT_REBOOTED)
    assert NodePoll().may_run_ready(success(), SUBJECT, asked, EXITED, Instant(201.0, 1_000_001.0))
    for ready in (None, False):
        after = step(NodePoll(), replace(success(), ready=ready), asked)
        assert (after.reason, after.last_rung) == (NodeReason.NOT_READY, Rung.REBOOT)
    assert step(NodePoll(), replace(success(), ready=True), asked).state is NodeState.UP


def test_a_node_that_is_up_keeps_the_time_at_which_it_came_up() -> None:
    assert step(STATES["up"], success()).up_wall_s == STATES["up"].up_wall_s


def test_the_last_reason_the_counts_and_the_first_and_last_time_are_kept() -> None:
    poll = step(NodePoll(), failure(NodeReason.REFUSED, 195.0, None))
    poll = step(poll, failure(NodeReason.REFUSED, 200.0, None))
    poll = poll.after(failure(NodeReason.AUTH_FAILED, 205.0), SUBJECT, PLAIN, EXITED, Instant(207, 1_000_012.0))
    assert poll.reasons == {NodeReason.REFUSED: 2, NodeReason.AUTH_FAILED: 1}
    assert (poll.reason, poll.message) == (NodeReason.AUTH_FAILED, "because of auth_failed")
    assert (poll.first_attempt_wall_s, poll.last_attempt_wall_s) == (1_000_000.0, 1_000_010.0)


def test_the_furthest_rung_stays_when_a_later_attempt_comes_less_far() -> None:
    poll = step(NodePoll(), failure(NodeReason.AUTH_FAILED, rung=Rung.HOST_KEY))
    poll = step(poll, failure(NodeReason.REFUSED, rung=None))
    assert (poll.rung, poll.last_rung) == (Rung.HOST_KEY, None)


@pytest.mark.parametrize(
    ("before", "boot_id", "uptime_s", "rebooted", "evidence"),
    [
        (BEFORE, AFTER, None, True, RebootEvidence.BOOT_ID),
        (BEFORE, BEFORE, None, False, RebootEvidence.BOOT_ID),
        (BEFORE, BEFORE, 1.0, False, RebootEvidence.BOOT_ID),
        (BEFORE, None, 1.0, None, None),
        (None, AFTER, 99.9, True, RebootEvidence.UPTIME),
        (None, AFTER, 100.0, None, None),
        (None, None, 99.9, True, RebootEvidence.UPTIME),
        (None, None, None, None, None),
    ],
)
def test_what_proves_a_reboot(
    before: str | None, boot_id: str | None, uptime_s: float | None, rebooted: bool | None, evidence: object
) -> None:
    probe = AttemptResult(200.0, Rung.COMMAND, None, boot_id=boot_id, uptime_s=uptime_s)
    poll = step(NodePoll(), probe, baseline=Baseline("n", before))
    assert (poll.rebooted, poll.reboot_evidence) == (rebooted, evidence)
    assert poll.state is NodeState.UP
    required = step(NodePoll(), probe, PollSettings(reboot="require"), baseline=Baseline("n", before))
    assert (required.state is NodeState.UP) is (rebooted is True)


def test_a_proof_of_a_reboot_outlives_an_attempt_that_tells_nothing() -> None:
    poll = step(step(NodePoll(), success()), failure(NodeReason.TIMEOUT))
    assert (poll.rebooted, poll.reboot_evidence) == (True, RebootEvidence.BOOT_ID)


@pytest.mark.parametrize(
    ("file", "reported", "same"),
    [
        ("sqdn-001", "SQDN-001.example.org", True),
        ("sqdn-001.a", "sqdn-001.b", True),
        ("sqdn-001", "sqdn-0011", False),
        ("sqdn-001", "localhost", False),
        ("sqdn-001", None, False),
    ],
)
def test_host_names_are_compared_by_their_first_label_without_case(file: str, reported: str | None, same: bool) -> None:
    assert Baseline(file).names_itself(reported) is same


def test_stable_checks_count_successes_in_a_row_of_one_boot() -> None:
    settings, poll, seen = PollSettings(stable_checks=3), NodePoll(), []
    for probe in (
        success(boot_id=AFTER),
        success(boot_id=AFTER),
        success(boot_id=THIRD),
        success(boot_id=THIRD),
        failure(NodeReason.REFUSED),
        success(boot_id=THIRD),
        success(boot_id=None),
        success(boot_id=THIRD),
    ):
        poll = step(poll, probe, settings)
        seen.append((poll.stable_count, poll.state.value))
    waiting = [(1, "waiting"), (2, "waiting"), (1, "waiting"), (2, "waiting"), (0, "waiting")]
    assert seen == [*waiting, (1, "waiting"), (2, "waiting"), (3, "up")]
    assert poll.reasons == {NodeReason.UNSTABLE: 6, NodeReason.REFUSED: 1}


def test_a_host_key_that_changed_once_has_changed() -> None:
    poll = NodePoll()
    for key in (HostKey.SAME, HostKey.CHANGED, HostKey.SAME, None):
        poll = step(poll, replace(success(), host_key=key))
    assert poll.host_key is HostKey.CHANGED


def test_after_a_failed_login_the_next_attempt_waits_but_the_last_slot_is_used_all_the_same() -> None:
    poll = step(NodePoll(), failure(NodeReason.AUTH_FAILED, 200.0))  # ended at 201
    assert poll.paused_until_s == 201 + AUTH_FAILED_PAUSE_S
    assert [poll.may_use(slot, EXITED) for slot in (205.0, 210.0, 215.0, 220.0)] == [False, False, False, True]
    late = poll._replace(paused_until_s=10_000.0)
    assert EXITED.ends_s == 790
    slots = (780.0, 784.0, 784.1, 789.0, 789.1)  # the last one leaves no time for a login
    assert [late.may_use(slot, EXITED) for slot in slots] == [False, False, True, True, False]
    assert not late.may_use(785.0, RUNNING)
    assert step(poll, failure(NodeReason.REFUSED)).may_use(205.0, EXITED)


@pytest.mark.parametrize("chances", [0, 1])
@pytest.mark.parametrize("state", STATES)
def test_when_polling_is_spent_nobody_is_given_up_without_a_chance(state: str, chances: int) -> None:
    before = STATES[state]._replace(chances=chances)
    assert before.is_spent(PLAIN) is (before.state is NodeState.WAITING and chances > 0)
    if state not in ("confirmed", "failed") and not before.is_spent(PLAIN):
        with pytest.raises(ValueError, match="has had no chance"):
            before.given_up()
        return
    after = before.given_up()
    assert after.state is (NodeState.UP if state == "confirmed" else NodeState.FAILED)
    assert (after.reason, after.message) == (before.reason, before.message)
    assert after.given_up() == after


@pytest.mark.parametrize(
    "schedule", [EXITED, RUNNING, replace(EXITED, back_s=200.1)], ids=["exited", "running", "away"]
)
@pytest.mark.parametrize(("state", "outcome"), list(product(STATES, OUTCOMES)))
def test_an_attempt_is_a_chance_if_it_began_after_the_exit_and_the_last_absence(
    state: str, outcome: str, schedule: Schedule
) -> None:
    before = STATES[state]._replace(chances=3)
    if state == "failed":
        return
    after, probe = step(before, OUTCOMES[outcome], PLAIN, schedule), OUTCOMES[outcome]
    counts = schedule is EXITED and outcome != "success before the exit"
    fell_back = before.state is NodeState.UP and after.state is NodeState.WAITING
    assert after.chances == (0 if fell_back else 3 + counts)
    assert before.away().chances == 0
    if after.state is NodeState.UP:
        assert after.answered_s == (probe.began_s if schedule.back_s else probe.began_s + 1)
    else:
        assert after.answered_s == before.answered_s


@pytest.mark.parametrize(("stable_checks", "attempts", "needed"), [(1, 120, 1), (3, 120, 3), (1000, 4, 4)])
def test_a_node_that_answers_but_not_for_long_enough_has_as_many_chances_as_it_would_need(
    stable_checks: int, attempts: int, needed: int
) -> None:
    settings = PollSettings(stable_checks=stable_checks, attempts=attempts)
    poll = NodePoll(reason=NodeReason.UNSTABLE)
    assert [poll._replace(chances=count).is_spent(settings) for count in (needed - 1, needed)] == [False, True]
    assert poll._replace(chances=1, reason=NodeReason.REFUSED).is_spent(settings)


def test_a_confirmation_is_old_after_an_interval_and_what_a_round_of_so_many_costs() -> None:
    fresh_s = EXITED.interval_s + 3 * ROUND_EACH_S
    polls = [NodePoll(answered_s=1000 - fresh_s + offset) for offset in (-0.001, 0.001, 2.0)]
    assert old_confirmations(polls, EXITED, 1000.0) == [0]
    assert old_confirmations(polls, EXITED, 1010.0) == [0, 1, 2]


@pytest.mark.parametrize("late_pauses", [0, MAX_LATE_PAUSES - 1, MAX_LATE_PAUSES])
@pytest.mark.parametrize("ends_s", [None, 50.0, 500.0])
@pytest.mark.parametrize("gap_s", [0.5, AWAY_S - 0.01, AWAY_S, 1000.0])
def test_a_pause_puts_the_verdict_off_if_it_is_long_and_not_one_of_too_many(
    gap_s: float, ends_s: float | None, late_pauses: int
) -> None:
    now_s = 100.0 + gap_s
    after, was_away = Attention(100.0, late_pauses).at(now_s, ends_s)
    assert was_away is (gap_s >= AWAY_S and late_pauses < MAX_LATE_PAUSES)
    is_late = gap_s >= AWAY_S and ends_s is not None and now_s >= ends_s
    assert after == Attention(now_s, late_pauses + is_late)


def test_only_what_is_written_down_counts_where_nothing_is_put_off_any_more() -> None:
    assert STATES["fresh"].on_record().is_spent(PLAIN) is False
    assert NodePoll(reason=NodeReason.REFUSED, reasons={NodeReason.REFUSED: 2}).on_record().is_spent(PLAIN)
