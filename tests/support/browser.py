"""A real Chromium (Debian's), driven by Playwright, and what axe-core finds in a page."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, Page, sync_playwright

_SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
)
LIMIT_MS = 20_000
_AXE = next(Path(axe_playwright_python.__file__).parent.rglob("axe.min.js"))


def chromium() -> str | None:
    """Return the path of Debian's Chromium, None where it is not installed."""
    return shutil.which("chromium")


@contextmanager
def browser(program: str | None = None) -> Iterator[Browser]:
    """Give a browser; `program` is started instead of Chromium itself."""
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program or chromium(), args=list(_SWITCHES))
        yield found
        found.close()


class Desk:
    """One operator's tab. What goes wrong in the page's own code fails the test at `close`."""

    def __init__(self, found: Browser, url: str, token: str, *, width: int = 1280, **options: Any) -> None:
        self.context = found.new_context(viewport={"width": width, "height": 900}, bypass_csp=True, **options)
        self.context.set_default_timeout(LIMIT_MS)
        self.url = url
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: dialog.accept())
        self.page.goto(f"{url}/#token={token}")
        self.page.wait_for_selector("h1")

    def open(self, view: str) -> None:
        """Go to a view."""
        self.page.goto(f"{self.url}/#/{view}")

    def fill_card(self, place: int, hostname: str, address: str, interface: str = "eno1") -> None:
        """Fill in the node card at a place, from 0."""
        card = self.page.locator('[data-test="card"]').nth(place)
        values = {"/hostname": hostname} | interface_values("interface_01", interface, address)
        for path, value in values.items():
            card.locator(f'input[data-path="{path}"]').fill(value)
        card.get_by_label("Compute").check()

    def apply(self) -> None:
        """Apply the changes, and confirm that."""
        self.page.click('[data-test="apply"]:enabled')
        self.page.click('[data-test="confirm"]')

    def wait_for_verdict(self, text: str, limit_s: float = 60) -> None:
        """Wait until the verdict has a text."""
        found = self.page.locator('[data-test="verdict"]', has_text=text)
        found.wait_for(timeout=limit_s * 1000)

    def axe(self) -> list[str]:
        """Return what axe-core finds wrong with the page as it is."""
        self.page.evaluate(_AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("axe.run()")
        return [f"{item['id']}: {item['help']}: {item['nodes'][0]['html'][:200]}" for item in found["violations"]]

    def overflow(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def close(self, ignored: Sequence[str] = ()) -> None:
        """Close the tab; fail where the page's code has failed."""
        self.context.close()
        assert [error for error in self.errors if not any(text in error for text in ignored)] == []


def interface_values(key: str, name: str, address: str) -> dict[str, str]:
    """Return the values of an interface by the paths of their fields."""
    at = f"/using_interfaces/{key}"
    return {
        f"{at}/interface_name": name,
        f"{at}/Properties/IP_ADDRESS": address,
        f"{at}/Properties/Netmask": "255.255.255.0",
    }
