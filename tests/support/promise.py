"""What must hold of a disk after a power cut, and of what the next boot makes of it?"""

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from disk_model import Tree
from next_boot import Folders, Recovery
from pydantic import ValidationError
from recorded_site import Recording
from site_folders import CANCEL, REQUEST
from world import ANSWERS

from pinakad.markers.request import Identity
from pinakad.report.document import Report
from pinakad.report.vocabulary import Outcome, Reason

_ASIDE = ".pinakad-request-"


@dataclass(frozen=True)
class Expected:
    """How the runs of a story end that nobody cancels."""

    reason: Reason | None = Reason.SCRIPT_FAILED
    merges: bool = False
    """A late touch may become one with a newer request."""


class Judge:
    """Holds what was recovered against what was recorded. `at_once`: what producers do is durable at once."""

    def __init__(self, recording: Recording, expected: Expected, markers: Path, store: Path, *, at_once: bool) -> None:
        self._recording, self._expected = recording, expected
        self._markers, self._deployments = markers, store / "deployments"
        self._at_once = at_once

    def facts(self, moment: int) -> tuple[int, int, int]:
        """Return what was done before a moment that counts for what must hold of a disk."""
        recording = self._recording
        lists = (recording.asked, recording.launched)
        return (
            *(sum(1 for at, _ in entries if at <= moment) for entries in lists),
            sum(1 for at in (*recording.removed, *recording.cancelled) if at <= moment),
        )

    def wrong_at_once(self, moment: int, state: Tree) -> Iterator[str]:
        """Tell what is wrong with the disk itself: somebody may read an answer before the daemon is back."""
        running = self._running(moment, state)
        if running is not None:
            yield from self._wrong_snapshot(running, state)
        for name in ANSWERS:
            inode = state.inode_at(self._markers / name)
            if inode is None:
                continue
            answer = _parsed(state.inodes[inode].content)
            if answer is None:
                yield f"{name} is not whole"
            elif running is not None and answer.id != running:
                yield f"{name} still answers {answer.id} while the script of {running} runs"
            elif answer.id != running and not self._is_finished(answer.id, state):
                yield f"{name} is there and the report of {answer.id} is not finished"

    def wrong(self, moment: int, state: Tree, recovery: Recovery, folders: Folders) -> Iterator[str]:
        """Tell what is wrong with what was recovered."""
        if recovery.error is not None:
            yield f"the daemon crashes: {recovery.error!r}"
            return
        if recovery.left or recovery.unanswered:
            yield f"it is not done: {recovery.left} {recovery.unanswered}"
        if recovery.broken_snapshots:
            yield f"launched without their node files: {recovery.broken_snapshots}"
        yield from self._wrong_answer(recovery)
        yield from self._wrong_launches(moment, state, recovery, folders)
        to_cancel = self._to_cancel(state, recovery)
        if to_cancel in recovery.launched:
            yield f"{to_cancel} is launched, and was to be cancelled"
        for identifier, report in recovery.reports.items():
            yield from self._wrong_verdict(identifier, report, state, folders, cancelled=identifier == to_cancel)

    def _to_cancel(self, state: Tree, recovery: Recovery) -> str | None:
        """Return which deployment the cancel that stands there is for.

        The first one that is not answered, where that has no verdict yet; where all are answered, a request that is
        older than the cancel is meant, and the next deployment serves it.
        """
        cancel = state.inode_at(self._markers / CANCEL)
        if cancel is None:
            return None
        for identifier in self._recorded(state):
            report = self._report(identifier, state)
            if report is not None and not self._has(identifier, "answered", state):
                return None if report.outcome else identifier
        request = state.inode_at(self._markers / REQUEST)
        if request is None or state.changed.get(request, 0) > state.changed.get(cancel, 0):
            return None
        return min((name for name in recovery.reports if name not in self._recorded(state)), default=None)

    def _recorded(self, state: Tree) -> list[str]:
        names = {path.name for path, _ in state.listing() if path.parent == self._deployments}
        return sorted(name for name in names if not name.startswith("."))

    def _wrong_answer(self, recovery: Recovery) -> Iterator[str]:
        if not recovery.reports:
            return
        last = max(recovery.reports)
        completed = recovery.reports[last] and recovery.reports[last].outcome is Outcome.COMPLETED  # type: ignore[union-attr]
        name = "deployment_completed" if completed else "deployment_failed"
        answers = {name: report and report.id for name, report in recovery.answers.items()}
        if answers != {name: last}:
            yield f"the answers are {answers}, and the last deployment is {last}"

    def _wrong_launches(self, moment: int, state: Tree, recovery: Recovery, folders: Folders) -> Iterator[str]:
        known = dict(self._recording.requests)
        for identifier, report in recovery.reports.items():
            if report is not None:
                known[identifier] = folders.identity(Identity.of(report.request))
        before = [identifier for at, identifier in self._recording.launched if at <= moment]
        asked = [(at, identity) for at, identity in self._recording.asked if at <= moment]
        times = Counter(identity for _, identity in asked)
        yield from self._wrong_counts([*before, *recovery.launched], known, times)
        decided = {name for name, report in recovery.reports.items() if report is not None and report.outcome}
        runs = Counter(known.get(identifier) for identifier in {*before, *recovery.launched, *decided})
        served = set(runs)
        standing = self._standing(state)
        yield from self._wrong_halves(served, moment)
        if self._at_once and asked and not self._expected.merges:
            at, last = asked[-1]
            if runs[last] < times[last] and not any(at < removed <= moment for removed in self._recording.removed):
                yield f"the request {last} is lost"
        for identity in standing - served:
            yield f"the request {identity} stands there and is not served"
        for identity in served - standing - {identity for _, identity in asked}:
            yield f"{identity} was served, and nobody asked"

    def _wrong_counts(self, launched: list[str], known: dict[str, Identity], times: Counter[Identity]) -> Iterator[str]:
        """A deployment is launched once, and a request as often as it was asked for: a file may be linked in again."""
        for identifier, count in Counter(launched).items():
            if count > 1:
                yield f"{identifier} is launched {count} times"
        for identity, count in Counter(known.get(identifier) for identifier in launched).items():
            if count > max(1, times[identity] if identity else 1):
                yield f"{count} launches for the request {identity}"

    def _wrong_halves(self, served: set[Identity | None], moment: int) -> Iterator[str]:
        before = {
            self._recording.requests[identifier].inode for at, identifier in self._recording.launched if at <= moment
        }
        for identity in served - {identity for _, identity in self._recording.asked}:
            if identity is not None and identity.inode in before:
                yield f"half of a request that was launched is served as {identity}"

    def _wrong_verdict(
        self, identifier: str, report: Report | None, state: Tree, folders: Folders, *, cancelled: bool
    ) -> Iterator[str]:
        if report is None:
            if self._expected.reason is not Reason.STATE_UNREADABLE:
                yield f"the report of {identifier} cannot be read"
            return
        if not report.is_finished:
            yield f"{identifier} is not finished"
        before = self._report(identifier, state)
        if before is not None and before.outcome is not None:
            allowed = {before.reason}
        else:
            allowed = self._allowed(identifier, folders.identity(Identity.of(report.request)), state)
            allowed = {Reason.CANCELLED, *(allowed & {Reason.INVALID_REQUEST})} if cancelled else allowed
        if report.reason not in allowed:
            yield f"{identifier} ends as {report.reason}, not as one of {sorted(map(str, allowed))}"

    def _allowed(self, identifier: str, identity: Identity, state: Tree) -> set[Reason | None]:
        interrupted = self._has(identifier, "started", state) and not self._has(identifier, "exit", state)
        allowed = {Reason.SCRIPT_INTERRUPTED if interrupted else self._expected.reason}
        if identity not in {known for _, known in self._recording.asked}:
            allowed |= {
                Reason.INVALID_REQUEST,
                Reason.SCRIPT_FAILED,
            }  # its writer did not sync it, and half of it is there
        return allowed

    def _standing(self, state: Tree) -> set[Identity]:
        """Return the requests that are there to be served: in their place, or set aside and touched since."""
        found = set()
        for path, inode in state.listing():
            name = path.name
            if path.parent != self._markers or (name != REQUEST and not name.startswith(_ASIDE)):
                continue
            entry = state.inodes[inode]
            digest = hashlib.sha256(entry.content).hexdigest()
            identity = Identity(entry.number, entry.mtime_ns, len(entry.content), digest)
            served = self._recording.requests.get(name.removeprefix(_ASIDE))
            if identity != served and not (name != REQUEST and self._expected.merges):
                found.add(identity)
        return found

    def _running(self, moment: int, state: Tree) -> str | None:
        """Return the deployment whose script was let go and that has no verdict."""
        launched = [identifier for at, identifier in self._recording.launched if at <= moment]
        return launched[-1] if launched and not self._is_finished(launched[-1], state) else None

    def _is_finished(self, identifier: str, state: Tree) -> bool:
        report = self._report(identifier, state)
        gone = state.inode_at(self._deployments / identifier) is None  # it was pruned
        return gone or (report is not None and report.is_finished)

    def _wrong_snapshot(self, identifier: str, state: Tree) -> Iterator[str]:
        """Tell which node files are not what the report says: the script may read them again when it is run by hand."""
        report = self._report(identifier, state)
        for node in report.nodes if report is not None else []:
            inode = state.inode_at(self._deployments / identifier / "nodes" / node.file)
            content = b"" if inode is None else state.inodes[inode].content
            if hashlib.sha256(content).hexdigest() != node.sha256:
                yield f"{node.file} of {identifier} is not what the script was given"

    def _has(self, identifier: str, name: str, state: Tree) -> bool:
        return state.inode_at(self._deployments / identifier / name) is not None

    def _report(self, identifier: str, state: Tree) -> Report | None:
        for name in ("report.json", "report.durable.json"):
            inode = state.inode_at(self._deployments / identifier / name)
            report = None if inode is None else _parsed(state.inodes[inode].content)
            if report is not None:
                return report
        return None


def _parsed(content: bytes) -> Report | None:
    try:
        return Report.model_validate_json(content)
    except ValidationError:
        return None
