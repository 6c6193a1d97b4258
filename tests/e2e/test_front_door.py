"""The front door on a real systemd: started by a connection, shut in, and used by a browser to reboot real machines."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Desk, browser, chromium
from container import wait_for
from controller import WORK, Controller

PINAKACTL = "/opt/pinakad/bin/pinakactl"
SOCKET = "/run/pinakad-web/http.sock"
REBOOTS = f"""for file in "$PINAKAD_NODES_DIR"/*.json; do
  address=$(sed -n 's/.*"IP_ADDRESS": "\\([0-9.]*\\)".*/\\1/p' "$file" | head -1)
  ssh -i /{WORK}/key/ps_key.pem -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \\
    "root@$address" 'systemctl reboot' || true
done
"""


@pytest.fixture
def opened(running: Controller) -> Iterator[Controller]:
    """Give the controller with the front door set up, and take it away again."""
    running.machine.run(PINAKACTL, "setup", "--web")
    yield running
    running.machine.run("sh", "-c", f"{PINAKACTL} setup --remove --force && {PINAKACTL} setup")
    running.systemctl("start", "pinakad")


def curl(controller: Controller, path: str, *words: str, user: str = "root") -> str:
    """Call the unix socket and return what it answers, "" where it is closed to this account."""
    options = ["-s", "--max-time", "20", "--unix-socket", SOCKET, *words]
    return controller.machine.run("curl", *options, f"http://localhost{path}", user=user, check=False).stdout


def token(controller: Controller) -> str:
    return controller.machine.out(PINAKACTL, "web", "token")


def test_it_runs_only_while_somebody_calls_and_says_in_setup_what_to_open(opened: Controller) -> None:
    assert opened.show("ActiveState", "pinakad-web.service") == "inactive"
    assert opened.show("ActiveState", "pinakad-web.socket") == "active"
    assert curl(opened, "/api/v1/status.txt") == "idle; no deployment yet\n"
    assert opened.show("ActiveState", "pinakad-web.service") == "active"
    url = opened.machine.out(PINAKACTL, "web", "url")
    assert url == f"http://localhost:7425/#token={token(opened)}"
    assert opened.machine.out("stat", "-c", "%U %G %a", "/etc/pinakad/web-token") == "root pinakad-web 640"
    assert opened.machine.out("stat", "-c", "%U %G %a", SOCKET) == "root pinakasupport 660"
    opened.machine.run("systemctl", "kill", "-s", "KILL", "pinakad-web.service")
    assert curl(opened, "/api/v1/healthz") == "ok\n"
    opened.systemctl("stop", "pinakad-web.service")
    assert curl(opened, "/api/v1/healthz") == "ok\n"
    said = opened.machine.run(PINAKACTL, "doctor", check=False).stdout
    assert "not of this version" not in said


def test_who_is_not_in_the_group_gets_in_by_no_socket_and_with_no_token(opened: Controller) -> None:
    assert curl(opened, "/api/v1/healthz", user="nobody") == ""
    refused = opened.machine.out("curl", "-s", "http://localhost:7425/api/v1/status")
    assert json.loads(refused)["error"] == "no_token"
    assert opened.machine.run("cat", "/etc/pinakad/web-token", user="nobody", check=False).returncode != 0
    header = f"Authorization: Bearer {token(opened)}"
    found = opened.machine.out("curl", "-s", "-H", header, "http://localhost:7425/api/v1/status")
    assert json.loads(found)["running"] is True


def test_its_sandbox_shows_no_key_and_lets_it_write_in_two_folders_only(opened: Controller) -> None:
    assert curl(opened, "/api/v1/healthz") == "ok\n"
    said = opened.machine.out("systemd-analyze", "security", "--no-pager", "pinakad-web.service")
    [exposure] = re.findall(r"Overall exposure level for pinakad-web.service: ([0-9.]+)", said)
    assert float(exposure) <= 1.5, said
    pid = opened.show("MainPID", "pinakad-web.service")
    inside = ["nsenter", "-t", pid, "-m", "setpriv", "--reuid=pinakad-web", "--regid=pinakasupport", "--clear-groups"]
    home = f"/{WORK}"

    def run(*words: str) -> str:
        return opened.machine.run(*inside, "sh", "-c", " ".join(words), check=False).stdout

    hidden = (f"{home}/key/ps_key.pem", f"{home}/key", f"{home}/.scripts", "/root/ps_key.pem", "/etc/shadow")
    assert run(f"for path in {' '.join(hidden)}; do cat $path || ls -A $path/; done") == ""
    own = [f"{home}/cluster/nodes", f"{home}/.markers/deplyment_status"]
    assert run(f"for path in {' '.join(own)}; do test -w $path && echo $path; done").split() == own
    found = run("find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null").split()
    assert [path for path in found if not path.startswith(("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue"))] == []


@pytest.fixture
def chromium_inside(opened: Controller, tmp_path: Path) -> str:
    """Give a program that starts Chromium in the controller's network."""
    if chromium() is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nexec nsenter -t {opened.machine.pid} -n {chromium()} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def test_from_two_empty_cards_in_a_browser_to_two_machines_that_have_rebooted(
    opened: Controller, chromium_inside: str
) -> None:
    opened.configure(poll={"delay_s": 0, "interval_s": 1, "attempts": 60, "reboot": "require", "identity": "require"})
    opened.systemctl("reload", "pinakad")
    opened.write(WORK / ".scripts/deployment_service.sh", REBOOTS, 0o755)
    with browser(chromium_inside) as chrome:
        desk = Desk(chrome, "http://localhost:7425", token(opened))
        for place, name in enumerate(("sqdn-01", "sqdn-02")):
            if place:
                desk.page.click('[data-test="add-card"]')
            desk.fill_card(place, name, opened.nodes[name][1], "host0")
        desk.apply()
        desk.wait_for_verdict("Completed", 90)
        desk.page.locator('[data-node="sqdn-01"]').get_by_role("button").click()
        assert "yes (boot id)" in desk.page.locator('[data-test="detail"]').inner_text()
        desk.close()
    report = opened.report()
    assert [(node["hostname"], node["rebooted"]) for node in report["nodes"]] == [("sqdn-01", True), ("sqdn-02", True)]
    log = curl(opened, "/api/v1/deployments/latest/log", "-o", "/dev/null", "-w", "%{http_code}")
    assert log == "200"


def test_remove_takes_the_front_door_away(opened: Controller) -> None:
    assert curl(opened, "/api/v1/healthz") == "ok\n"
    opened.machine.run(PINAKACTL, "setup", "--remove")
    wait_for("the socket to go", lambda: not opened.has(SOCKET.lstrip("/")))
    assert opened.machine.out("systemctl", "list-unit-files", "--no-legend", "pinakad-web*", check=False) == ""
    opened.machine.run(PINAKACTL, "setup")
    assert opened.machine.out("systemctl", "list-unit-files", "--no-legend", "pinakad-web*", check=False) == ""
