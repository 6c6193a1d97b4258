"""One node: connect, facts, render, validate, push, arm, reboot. Each step leaves a line of JSON."""

import json
import shlex
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NoReturn

import paramiko

from pinakad.config import Config
from pinakad.nodes.node_file import NodeFile
from pinakad.provision.difference import COMMAND as COMMAND_OF_DIFFERENCE
from pinakad.provision.difference import differences, present_in
from pinakad.provision.node_facts import COMMAND, NodeSurvey, obstacles, survey_of
from pinakad.provision.remote import Remote, RemoteError
from pinakad.provision.render import render
from pinakad.provision.tree import GeneratorError, Tree, sha256, tree_of
from pinakad.ssh.host_keys import HostKeys

STATE = "/var/lib/pinakad-node"
_UNITS = ("pinakad-node.service", "pinakad-node.timer")
_printing = threading.Lock()


@dataclass(frozen=True)
class Site:
    """What all nodes share. `hosts`: address -> host name of every node of the deployment; `trial`: the trials' id."""

    settings: Config
    key: paramiko.PKey
    host_keys: HostKeys
    hosts: Mapping[str, str]
    trial: str
    dry_run: bool = False


@dataclass(frozen=True)
class Target:
    """A node to configure: its file, and where it is polled."""

    file: str
    node: NodeFile
    address: str

    @property
    def places(self) -> list[str]:
        """Where it may answer now: where it was before, and where it is to be."""
        current = self.node.ssh.current if self.node.ssh else None
        return list(dict.fromkeys(filter(None, (current, self.address))))


class StepError(Exception):
    """A step has failed, and so has the node."""


class NodeRun:
    """The steps of one node. `outcome` is `unchanged`, `rebooting`, or `failed`."""

    def __init__(self, site: Site, target: Target) -> None:
        self._site, self._target = site, target
        self._began_s = time.monotonic()
        self.outcome = "failed"

    def run(self) -> None:
        """Make the steps, up to the one that fails."""
        try:
            with ExitStack() as stack:
                remote = stack.enter_context(self._connect())
                root = "" if remote.run("id -u").out.strip() == "0" else "sudo -n "
                survey = self._facts(remote, root)
                tree = self._render(survey)
                archive = tree.archive()
                if survey.agent.get("state") == "confirmed" and survey.agent.get("confirmed_sha256") == sha256(archive):
                    self._say("validate", changed=False, message="unchanged")
                    self.outcome = "unchanged"
                    return
                if self._site.dry_run:
                    self._show_difference(remote, root, tree)
                    self.outcome = "unchanged"
                    return
                self._push(remote, root, archive)
                self._arm(remote, root)
                self._reboot(remote, root)
                self.outcome = "rebooting"
        except StepError:
            return

    def trial_state(self) -> str:
        """Return what became of the trial: `confirmed`, `rolled_back`, or "" while that is not known."""
        for address in dict.fromkeys((self._target.address, *self._target.places)):
            told = self._agent_status(address)
            if told.get("id") == self._site.trial and told.get("state") in ("confirmed", "rolled_back"):
                if told["state"] == "rolled_back":
                    self._say("confirm", ok=False, changed=False, message=f"it went back: {told.get('why')}")
                return str(told["state"])
        return ""

    def _agent_status(self, address: str) -> dict[str, Any]:
        try:
            with closing(self._remote(address).open()) as remote:
                root = "" if remote.run("id -u").out.strip() == "0" else "sudo -n "
                told = json.loads(remote.run(f"{root}sh {STATE}/agent status").out)
        except (RemoteError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    # --- the steps

    def _connect(self) -> AbstractContextManager[Remote]:
        said, remote = [], None
        for address in self._target.places:
            try:
                remote = self._remote(address).open()
            except RemoteError as error:
                said.append(str(error))
            else:
                self._say("connect", changed=False, message=address)
                break
        if remote is None:
            self._fail("connect", "; ".join(said))
        return closing(remote)

    def _facts(self, remote: Remote, root: str) -> NodeSurvey:
        survey = survey_of(self._must("facts", remote, f"{root}sh -c {shlex.quote(COMMAND)}"))
        found = obstacles(survey, self._target.node, tagged=self._site.settings.provision.vlan == "tagged")
        if found:
            self._fail("facts", "; ".join(found))
        self._say("facts", changed=False)
        return survey

    def _render(self, survey: NodeSurvey) -> Tree:
        settings = self._site.settings
        parts = settings.provision, survey.links
        found = render(self._target.file, self._target.node, *parts, allow_loopback=settings.ssh.allow_loopback)
        if found.document is None:
            self._fail("render", "; ".join(problem.line() for problem in found.problems))
        try:
            tree = tree_of(
                found.document,
                netplan=survey.has_netplan,
                hostname=self._target.node.hostname,
                hosts=self._site.hosts,
            )
        except GeneratorError as error:
            self._fail("render", str(error))
        self._say("render", changed=False)
        return tree

    def _show_difference(self, remote: Remote, root: str, tree: Tree) -> None:
        """Print how what lies there differs from what would; nothing is changed."""
        command = COMMAND_OF_DIFFERENCE.format(paths=" ".join(map(shlex.quote, tree.owned)))
        present = present_in(self._must("validate", remote, f"{root}sh -c {shlex.quote(command)}"))
        lines = differences(present, tree.files)
        with _printing:
            sys.stderr.write("".join(f"{self._target.node.hostname}: {line}\n" for line in lines))
        self._say("validate", changed=bool(lines), message=f"{len(lines)} lines differ" if lines else "unchanged")

    def _push(self, remote: Remote, root: str, archive: bytes) -> None:
        self._must("push", remote, f"{root}mkdir -p {STATE}")
        parts = files("pinakad") / "provision"
        agent = (parts / "agent.sh").read_bytes()
        place = f"{root}tee {STATE}/agent.new >/dev/null && {root}mv {STATE}/agent.new {STATE}/agent"
        self._must("push", remote, place, agent)
        for unit in _UNITS:
            self._must("push", remote, f"{root}tee /etc/systemd/system/{unit} >/dev/null", (parts / unit).read_bytes())
        self._must("push", remote, f"{root}systemctl enable --quiet {_UNITS[0]}")
        self._must("push", remote, f"{root}sh {STATE}/agent push {sha256(archive)}", archive)
        self._say("push", changed=True)

    def _arm(self, remote: Remote, root: str) -> None:
        deadline_s = self._site.settings.provision.deadline_s
        self._must("arm", remote, f"{root}sh {STATE}/agent arm {self._site.trial} {deadline_s} {self._target.address}")
        self._say("arm", changed=True)

    def _reboot(self, remote: Remote, root: str) -> None:
        # a moment later, so that this command has an end: the agent waits for the reboot anyway
        self._must(
            "reboot",
            remote,
            f"{root}systemd-run --quiet --on-active=1 --timer-property=AccuracySec=100ms systemctl reboot",
        )
        self._say("reboot", changed=True)

    # --- what they have in common

    def _remote(self, address: str) -> Remote:
        ssh, own = self._site.settings.ssh, self._target.node.ssh
        port, user = (own.port if own else None) or ssh.port, (own.user if own else None) or ssh.user
        return Remote(address, port, user, self._site.key, ssh, self._site.host_keys)

    def _must(self, step: str, remote: Remote, command: str, given: bytes = b"") -> str:
        try:
            return remote.check(command, given).out
        except RemoteError as error:
            self._fail(step, str(error))

    def _fail(self, step: str, message: str) -> NoReturn:
        self._say(step, ok=False, changed=False, message=message)
        raise StepError(message)

    def _say(self, step: str, *, ok: bool = True, changed: bool, message: str = "") -> None:
        ms = round((time.monotonic() - self._began_s) * 1000)
        say(self._target.node.hostname, step, ok=ok, changed=changed, ms=ms, message=message)


def say(node: str, step: str, *, ok: bool, changed: bool, ms: int, message: str) -> None:
    """Print a line of JSON; where something is wrong, a person's line on stderr as well."""
    line = {"node": node, "step": step, "ok": ok, "changed": changed, "ms": ms, "message": message}
    with _printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        if not ok:
            sys.stderr.write(f"{node}: {step}: {message}\n")
