"""The page in a real browser, as an operator uses it: from two empty cards to a verdict, and everything between."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Desk, browser, chromium
from front_door import FrontDoor
from playwright.sync_api import Browser
from rehearsal_site import RehearsalSite

ADDRESSES = {"ordinary-01": "127.0.2.1", "ordinary-02": "127.0.2.2", "never-back-01": "127.0.2.3"}
pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    """Give a browser. Without Chromium the test is skipped, but not where CI is to prove something."""
    if chromium() is None and os.environ.get("CI") == "true":
        pytest.fail("there is no chromium")
    if chromium() is None:
        pytest.skip("there is no chromium (apt-get install chromium)")
    with browser() as found:
        yield found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RehearsalSite]:
    """Give simulated nodes with a daemon that runs."""
    site = RehearsalSite(tmp_path / "site", ["ordinary=2", "never-back=1"])
    site.set_poll(attempts=20)
    site.start()
    yield site
    site.close()


@pytest.fixture
def door(site: RehearsalSite) -> Iterator[FrontDoor]:
    door = FrontDoor(site)  # type: ignore[arg-type]
    door.start()
    yield door
    door.close()


@pytest.fixture
def desk(chrome: Browser, door: FrontDoor) -> Iterator[Desk]:
    desk = Desk(chrome, door.url, door.token)
    yield desk
    desk.close()


def cards_for(desk: Desk, *names: str) -> None:
    for place, name in enumerate(names):
        if place:
            desk.page.click('[data-test="add-card"]')
        desk.fill_card(place, name, ADDRESSES[name])


def test_from_two_empty_cards_to_completed(site: RehearsalSite, desk: Desk) -> None:
    assert desk.page.url.endswith("/#/") or "token" not in desk.page.url
    cards_for(desk, "ordinary-01", "ordinary-02")
    preview = desk.page.get_by_role("region", name="What would be stored")
    preview.get_by_text("node_02.json").wait_for()
    desk.page.click('[data-test="apply"]:enabled')
    assert "2 machines will be configured and rebooted: ordinary-01, ordinary-02" in desk.page.inner_text(
        "dialog[open]"
    )
    desk.page.click('[data-test="confirm"]')
    desk.wait_for_verdict("Completed")
    assert "all 2 nodes are up" in desk.page.inner_text('[data-test="verdict"]')
    rows = desk.page.locator('[data-test="node-row"]')
    assert [row.get_attribute("data-node") for row in rows.all()] == ["ordinary-01", "ordinary-02"]
    assert desk.page.title() == "completed - pinakad"
    assert sorted(path.name for path in site.nodes.iterdir()) == ["node_01.json", "node_02.json"]
    desk.page.locator('[data-test="log"]', has_text="ordinary-02: ok").wait_for()
    rows.first.get_by_role("button").click()
    detail = desk.page.locator('[data-test="detail"]')
    assert "Rebooted\nyes (boot id)" in detail.inner_text()
    assert desk.page.inner_text('[data-test="live"]') == "live"


def test_mistakes_are_told_beside_their_fields_before_anything_is_stored(site: RehearsalSite, desk: Desk) -> None:
    page = desk.page
    cards_for(desk, "ordinary-01")
    netmask = page.locator('input[data-path="/using_interfaces/interface_01/Properties/Netmask"]')
    netmask.fill("255.0.255.0")
    said = page.locator('[data-test="problem"][data-for="/using_interfaces/interface_01/Properties/Netmask"]')
    said.filter(has_text="netmask").wait_for()
    assert netmask.get_attribute("aria-invalid") == "true"
    assert netmask.get_attribute("aria-describedby") == said.get_attribute("id")
    page.click("text=+ Bond")
    bond = "/using_interfaces/bond1"
    page.fill(f'input[data-path="{bond}/Properties/IP_ADDRESS"]', "10.1.1.1")
    page.fill(f'input[data-path="{bond}/Properties/Netmask"]', "255.255.255.0")
    slaves = page.locator(".slave input")
    slaves.nth(0).fill("eno2")
    slaves.nth(1).fill("no such name!")
    slaves.nth(1).press("Tab")
    page.click('[data-test="apply"]:enabled')
    summary = page.locator('[data-test="summary"]')
    summary.wait_for()
    assert page.evaluate("document.activeElement.dataset.test") == "summary"
    assert "to correct" in summary.inner_text()
    summary.get_by_role("button").filter(has_text="netmask").first.click()
    assert page.evaluate("document.activeElement.dataset.path").endswith("/Netmask")
    assert not list(site.nodes.iterdir())
    assert page.locator("dialog[open]").count() == 0


def test_an_unknown_bond_of_an_imported_node_is_told_beside_its_field(desk: Desk) -> None:
    page = desk.page
    slave = {"interface_name": "eno2", "type": ["Primary"], "Bond_Slave": "YES", "Bond_Interface_Name": "bond7"}
    properties = {"IP_ADDRESS": "10.0.0.1", "Netmask": "255.255.255.0"}
    plain = {"interface_name": "eno1", "type": ["Primary"], "Bond_Slave": "NO", "Properties": properties}
    node = {
        "hostname": "a",
        "disk": [],
        "roles": ["Compute"],
        "using_interfaces": {"interface_01": plain, "interface_02": slave},
    }
    page.click("text=Import")
    page.fill("#import-text", json.dumps([node | {"our_own_key": 7}]))
    page.click('[data-do="import-done"]')
    path = "/using_interfaces/interface_02/Bond_Interface_Name"
    page.locator(f'[data-test="problem"][data-for="{path}"]').filter(has_text="bond").wait_for()
    page.fill(f'input[data-path="{path}"]', "")
    assert page.evaluate("JSON.parse(sessionStorage['pinakad-cards'])[0].node.our_own_key") == 7
    page.reload()
    page.locator('[data-test="card"]').filter(has_text="Slave of the bond").wait_for()


def test_a_node_that_never_comes_back_stands_first_with_its_reason_and_what_to_do_and_is_retried(
    site: RehearsalSite, desk: Desk
) -> None:
    page = desk.page
    cards_for(desk, "ordinary-01", "never-back-01")
    desk.apply()
    desk.wait_for_verdict("Failed (nodes unreachable)")
    assert page.locator('[data-test="node-row"]').first.get_attribute("data-node") == "never-back-01"
    group = page.locator('[data-test="reason-group"]')
    assert group.count() == 1
    assert "1 refused" in group.inner_text()
    assert "systemctl status ssh" in group.inner_text()
    page.locator('[data-test="node-row"]').first.get_by_role("button").click()
    detail = page.locator('[data-test="detail"]').inner_text()
    assert "Why it is not up" in detail
    assert "What to do" in detail
    page.click('[data-test="retry"]')
    page.locator('[data-test="verdict"]', has_text="nodes unreachable").wait_for(state="detached")
    desk.wait_for_verdict("Failed (script failed)")  # no node of it hears the order to reboot
    page.locator('[data-test="node-row"]', has_text="ordinary-01").wait_for(state="detached")
    desk.open("history")
    rows = page.locator('[data-test="history-row"]')
    rows.nth(1).wait_for()
    for row in (0, 1):
        rows.nth(row).get_by_role("checkbox").check()
    page.click("text=Compare two")
    page.get_by_text("1 node failed in both: never-back-01").wait_for()
    assert "only in one" in page.inner_text("main")


def test_a_running_deployment_is_cancelled(site: RehearsalSite, desk: Desk) -> None:
    cards_for(desk, "ordinary-01", "never-back-01")
    desk.apply()
    desk.page.locator('[data-test="verdict"]', has_text="Polling").wait_for()
    assert desk.page.title().startswith("(")
    desk.page.click('[data-test="cancel"]')
    desk.wait_for_verdict("Cancelled")


def test_the_page_is_live_again_by_itself_and_shows_nothing_of_an_old_run_under_a_new_one(
    site: RehearsalSite, door: FrontDoor, desk: Desk
) -> None:
    page = desk.page
    cards_for(desk, "ordinary-01")
    desk.apply()
    desk.wait_for_verdict("Completed")
    site.kill()
    page.get_by_text("No daemon runs").wait_for()
    site.start()
    page.get_by_text("the daemon was started again").wait_for()
    page.get_by_text("No daemon runs").wait_for(state="detached")
    door.stop(9)
    page.locator('[data-test="live"]', has_text="as of").wait_for()
    door.start()
    page.locator('[data-test="live"]', has_text="live").wait_for(timeout=40_000)
    page.evaluate(WATCH_FOR_OLD)
    desk.open("deploy")
    desk.fill_card(0, "ordinary-02", ADDRESSES["ordinary-02"])
    desk.apply()
    desk.wait_for_verdict("Completed")
    page.locator('[data-node="ordinary-02"]').wait_for()
    assert page.locator('[data-node="ordinary-01"]').count() == 0
    assert page.evaluate("window.old") == []


WATCH_FOR_OLD = """() => {
  window.old = [];
  new MutationObserver(() => {
    if (!location.hash.endsWith("/now")) return;
    const verdict = document.querySelector('[data-test=verdict]')?.textContent || "";
    const row = document.querySelector('[data-node="ordinary-01"]');
    if (row && !verdict.startsWith("Completed")) window.old.push(verdict);
  }).observe(document.body, { childList: true, subtree: true, characterData: true });
}"""


def test_a_token_that_was_changed_asks_for_the_new_one_and_goes_on(door: FrontDoor, desk: Desk) -> None:
    door.rotate()
    desk.page.reload()
    form = desk.page.locator('[data-test="sign-in"]')
    form.wait_for()
    form.get_by_label("Token").fill("wrong")
    form.get_by_role("button").click()
    desk.page.get_by_text("the token is wrong").wait_for()
    form.get_by_label("Token").fill(door.token)
    form.get_by_role("button").click()
    desk.page.locator('[data-test="card"]').wait_for()
    assert door.token not in desk.page.content()


def test_a_stored_node_is_opened_corrected_and_takes_its_place_and_one_is_retired(
    site: RehearsalSite, desk: Desk
) -> None:
    page = desk.page
    cards_for(desk, "ordinary-01")
    desk.apply()
    desk.wait_for_verdict("Completed")
    desk.open("nodes")
    page.get_by_role("button", name="Open node_01.json in a card").click()
    page.get_by_text("A correction of node_01.json").wait_for()
    page.fill('input[data-path="/using_interfaces/interface_01/Properties/mtu"]', "9000")
    page.get_by_role("cell", name="node_01.json").wait_for()
    desk.apply()
    desk.wait_for_verdict("Completed")
    desk.open("nodes")
    page.get_by_text("superseded by node_02.json").wait_for()
    page.get_by_role("button", name="Retire node_02.json").click()
    page.get_by_text("No node file lies in").wait_for()
    assert [path.name for path in site.nodes.iterdir() if path.suffix == ".json"] == []


def test_the_whole_way_by_keyboard(desk: Desk) -> None:
    page = desk.page
    page.locator('[data-test="card"]').wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    for path, value in (("/hostname", "ordinary-01"), ("/using_interfaces/interface_01/interface_name", "eno1")):
        reach(desk, f'document.activeElement.dataset.path === "{path}"')
        page.keyboard.type(value)
    reach(desk, 'document.activeElement.dataset.path === "/using_interfaces/interface_01/Properties/IP_ADDRESS"')
    page.keyboard.type("127.0.2.1")
    page.keyboard.press("Tab")
    page.keyboard.type("255.255.255.0")
    page.locator('[data-test="apply"]:enabled').wait_for()
    page.get_by_role("region", name="What would be stored").wait_for()
    reach(desk, 'document.activeElement.dataset.test === "apply"')
    page.keyboard.press("Enter")
    reach(desk, 'document.activeElement.dataset.test === "confirm"')
    page.keyboard.press("Enter")
    desk.wait_for_verdict("Completed")
    reach(desk, 'document.activeElement.textContent === "ordinary-01"')
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.test") == "detail"


def reach(desk: Desk, condition: str) -> None:
    """Press Tab until a condition holds of what has the focus."""
    for _ in range(80):
        if desk.page.evaluate(condition):
            return
        desk.page.keyboard.press("Tab")
    pytest.fail(f"no Tab leads to where {condition}; it is at {desk.page.evaluate('document.activeElement.outerHTML')}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(site: RehearsalSite, door: FrontDoor, chrome: Browser, scheme: str) -> None:
    wide = Desk(chrome, door.url, door.token, color_scheme=scheme, reduced_motion="reduce")
    cards_for(wide, "ordinary-01", "never-back-01")
    wide.page.click("text=+ Bond >> nth=0")
    wide.page.click('[data-test="apply"]:enabled')
    wide.page.locator('[data-test="summary"]').wait_for()
    assert wide.axe() == []
    door.post("/deployments", {"nodes": json.loads(wide.page.evaluate("sessionStorage['pinakad-cards']"))[1]["node"]})
    wide.open("now")
    wide.page.locator('[data-test="node-row"]').wait_for()
    wide.page.locator('[data-test="node-row"]').first.get_by_role("button").click()
    assert wide.axe() == []
    for view in ("history", "nodes"):
        wide.open(view)
        wide.page.locator("tbody tr").first.wait_for()
        assert wide.axe() == []
    wide.close()
    narrow = Desk(chrome, door.url, door.token, width=320, color_scheme=scheme)
    for view in ("deploy", "now", "history", "nodes"):
        narrow.open(view)
        narrow.page.locator("h1").wait_for()
        assert narrow.overflow() <= 0, view
        assert narrow.axe() == []
    narrow.close()
