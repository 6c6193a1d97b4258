"""The page's own files, which everybody may have: they know nothing."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from pinakad.web.exchange import Answer, Call, Handler

FOLDER = Path(__file__).parent / "page"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_files(folder: Path = FOLDER) -> Mapping[str, Handler]:
    """Return a handler for each file of the page, by its path. They are read once, so no path leads anywhere else."""
    found = {f"/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.suffix in _KINDS}
    handlers = {place: _handler(path) for place, path in found.items()}
    return {("/" if place == "/index.html" else place): handler for place, handler in handlers.items()}


def _handler(path: Path) -> Handler:
    content, kind = path.read_bytes(), _KINDS[path.suffix]
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def answer(call: Call) -> Answer:
        if call.header("if-none-match") == tag:
            return Answer(304, content_type=None, headers=headers)
        return Answer(200, content, kind, headers)

    return answer
