"""What does the front door cost: its cold start, a stream of ten thousand nodes, the page in a browser?"""

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from browser import Desk, browser, chromium
from crowd import Crowd
from front_door import FrontDoor, UnixConnection
from scene import CheckContext
from table import Row, median_of
from usage import cpu_s, resident_mb
from world import World

PUBLISHED_EVERY_S = 5.0
_BARE = """
import http.server, socket, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"ok")
    def log_message(self, *_): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
_RENDERED = """() => new Promise((done) => {
  const seen = () => document.querySelector('[data-test="node-row"]');
  const look = () => (seen() ? done(performance.now()) : requestAnimationFrame(look));
  look();
})"""
_TASKS = """() => {
  window.tasks = [0];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => window.tasks.push(entry.duration)))
    .observe({ entryTypes: ["longtask"] });
}"""
_LONGEST = """() => new Promise((done) => {
  const found = [0];
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => found.push(entry.duration)))
    .observe({ entryTypes: ["longtask"] });
  const viewport = document.querySelector(".viewport");
  let step = 0;
  const scroll = () => {
    viewport.scrollTop += 5000;
    if (++step < 100) requestAnimationFrame(scroll); else setTimeout(() => done(Math.max(...found)), 200);
  };
  scroll();
})"""


def web(scene: CheckContext) -> list[Row]:
    """The front door's targets."""
    rows = median_of(scene.times, _cold_start)
    number = 1000 if scene.quick else 10_000
    return rows + _stream(number, 20.0) + (_page(number) if chromium() else [])


def _cold_start() -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(World(Path(folder))) as world,
        closing(FrontDoor(world)) as door,
    ):
        began_s = time.perf_counter()
        door.start()
        door.get("/status")
        took_s = time.perf_counter() - began_s
        ended_s = door.stop()
        return [
            Row(
                "front door: first answer after a cold start", took_s * 1000, _bare_ms(), "ms", "http.server", "<= 300"
            ),
            Row("- end at SIGTERM", ended_s * 1000, None, "ms", bound="<= 1000"),
        ]


def _bare_ms() -> float:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    began_s = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", _BARE, str(port)])
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", "/")
            connection.getresponse().read()
            break
        except OSError:
            time.sleep(0.002)
    took_s = time.perf_counter() - began_s
    process.kill()
    process.wait()
    return took_s * 1000


@contextmanager
def _crowd(number: int) -> Iterator[Crowd]:
    with tempfile.TemporaryDirectory() as folder, closing(Crowd(Path(folder), number)) as crowd:
        crowd.door.start()
        crowd.door.get("/status")
        yield crowd


def _stream(number: int, watch_s: float) -> list[Row]:
    """One stream, while every node is asked again and again, and a few come up."""
    with _crowd(number) as crowd:
        assert crowd.door.process is not None
        process = Path("/proc", str(crowd.door.process.pid))
        taken = [0]
        threading.Thread(target=_listen, args=(crowd.door, taken), daemon=True).start()
        time.sleep(2)
        before_s, bytes_before = cpu_s(process), taken[0]
        rounds = int(watch_s / PUBLISHED_EVERY_S)
        parsed_s = 0.0
        for turn in range(rounds):
            crowd.ask_all_again()
            crowd.change(*range(turn * 50, turn * 50 + 50))
            crowd.publish()
            text = (crowd.world.runtime / "status.json").read_bytes()
            began_s = time.process_time()
            json.loads(text)
            parsed_s += time.process_time() - began_s
            time.sleep(PUBLISHED_EVERY_S)
        used_s = cpu_s(process) - before_s
        ours, theirs = used_s / (rounds * PUBLISHED_EVERY_S) * 100, parsed_s / (rounds * PUBLISHED_EVERY_S) * 100
        sent_kb = (taken[0] - bytes_before) / 1024 / (rounds * PUBLISHED_EVERY_S)
        return [
            Row(f"front door: one stream of {number:,} nodes", ours, theirs, "% of a core", "json.loads alone", "<= 3"),
            Row("- sent", sent_kb, None, "KiB/s"),
            Row("- memory", resident_mb(process), None, "MB"),
        ]


def _listen(door: FrontDoor, taken: list[int]) -> None:
    connection = UnixConnection(door.path, timeout=600)
    connection.request("GET", "/api/v1/events", headers={"Host": "localhost"})
    answer = connection.getresponse()
    with suppress(http.client.HTTPException, OSError):  # at the end the front door goes
        while piece := answer.read1():
            taken[0] += len(piece)


def _page(number: int) -> list[Row]:
    with _crowd(number) as crowd, browser() as chrome:
        desk = Desk(chrome, crowd.door.url, crowd.door.token)
        desk.open("now")
        desk.page.reload(wait_until="commit")
        first_ms = desk.page.evaluate(_RENDERED)  # from the begin of the navigation
        desk.page.evaluate(_TASKS)
        crowd.change(*range(50))
        crowd.publish()
        desk.page.locator("text=50 up").wait_for()
        update_ms = max(desk.page.evaluate("window.tasks"))
        longest_ms = desk.page.evaluate(_LONGEST)
        desk.close()
        return [
            Row(f"page: first render of {number:,} nodes", first_ms, None, "ms", bound="<= 1000"),
            Row(
                "- longest task of an update of 50 nodes (less than 50 are not counted)",
                update_ms,
                None,
                "ms",
                bound="<= 100",
            ),
            Row("- longest task while it is scrolled", longest_ms, None, "ms", bound="<= 100"),
        ]
