"""Are ten thousand nodes no effort for the page: few rows in the document, and each change in its place?"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Desk, browser, chromium
from crowd import Crowd

from pinakad.polling.vocabulary import NodeState

pytestmark = pytest.mark.xdist_group("browser")
NUMBER = 10_000


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    if chromium() is None and os.environ.get("CI") != "true":
        pytest.skip("there is no chromium (apt-get install chromium)")
    crowd = Crowd(tmp_path, NUMBER)
    crowd.door.start()
    yield crowd
    crowd.close()


def test_of_ten_thousand_nodes_only_those_in_view_are_in_the_document_and_failed_ones_come_first(crowd: Crowd) -> None:
    with browser() as chrome:
        desk = Desk(chrome, crowd.door.url, crowd.door.token)
        desk.open("now")
        rows = desk.page.locator('[data-test="node-row"]')
        rows.first.wait_for()
        assert rows.count() < 60
        assert desk.page.get_by_role("table", name="Nodes").get_attribute("aria-rowcount") == str(NUMBER + 1)
        assert "10000 refused" in desk.page.inner_text('[data-test="reason-group"]')
        crowd.change(7777, state=NodeState.FAILED)
        crowd.change(*range(50))
        crowd.publish()
        desk.page.locator('[data-test="node-row"][data-node="sqdn-07778"]').wait_for()
        assert rows.first.get_attribute("data-node") == "sqdn-07778"
        assert "50 up, 9949 waiting, 1 failed" in desk.page.inner_text("main")
        viewport = desk.page.locator(".viewport")
        viewport.evaluate("element => element.scrollTop = element.scrollHeight")
        desk.page.locator('[data-node="sqdn-00050"]').wait_for()
        assert rows.count() < 60
        desk.page.get_by_label("Search").fill("sqdn-09999")
        desk.page.get_by_text("1 of 10000 nodes are shown").wait_for()
        assert desk.axe() == []
        desk.close()


def test_a_stream_of_ten_thousand_nodes_is_small_while_nothing_happens(crowd: Crowd) -> None:
    found = crowd.door.get(f"/deployments/{crowd.publish().id}/nodes?limit=100000&brief")
    assert (found["total"], len(found["nodes"])) == (NUMBER, NUMBER)
    crowd.ask_all_again()
    crowd.publish()
    assert crowd.door.get("/deployments/latest/nodes?limit=1")["nodes"][0]["attempts"] == 4
