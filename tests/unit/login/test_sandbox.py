"""What can a login worker still do, once it has the key? Each is tried in a process that has given up its rights."""

import json
import os
import socket
import subprocess
import sys
from typing import Any

import pytest

_TRIES = """
import json, os, resource, signal, socket, subprocess, sys
from pathlib import Path
from pinakad.login import sandbox

folder, port = Path(sys.argv[1]), int(sys.argv[2])
sandbox.before_the_key()
key = (folder / "key").read_text()
held = open(folder / "held", "a")
confined = sandbox.after_the_key()


def tried(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    except ImportError as error:
        return str(error)
    return "done"


def connect():
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", port))


def write_to_held():
    held.write("x")
    held.flush()


found = {
    "confined": confined,
    "key": key,
    "write": tried(lambda: (folder / "new").write_text("x")),
    "write_to_held": tried(write_to_held),
    "read": tried(lambda: (folder / "key").read_text()),
    "list": tried(lambda: os.listdir(folder)),
    "rename": tried(lambda: os.rename(folder / "key", folder / "key2")),
    "remove": tried(lambda: os.unlink(folder / "key")),
    "make a folder": tried(lambda: os.mkdir(folder / "made")),
    "truncate": tried(lambda: os.truncate(folder / "key", 0)),
    "read the users": tried(lambda: Path("/etc/passwd").read_text()),
    "run": tried(lambda: subprocess.run(["/bin/true"])),
    "connect": tried(connect),
    "signal": tried(lambda: os.kill(os.getppid(), 0)),
    "import": tried(lambda: __import__("sndhdr" if sys.version_info < (3, 13) else "colorsys")),
    "core": resource.getrlimit(resource.RLIMIT_CORE),
    "terms": [signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGTERM, signal.SIGINT)],
    "status": dict(line.split(":", 1) for line in open("/proc/self/status")) if not confined else {},
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what such a process could do."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "key").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", _TRIES, str(folder), str(server.getsockname()[1])]
        said = subprocess.run(command, capture_output=True, text=True, check=True, env={}).stdout
    assert (folder / "key").read_text() == "secret"
    assert (folder / "held").read_text() == ""
    result: dict[str, Any] = json.loads(said)
    return result


def test_it_has_read_the_key_before(found: dict[str, Any]) -> None:
    assert found["key"] == "secret"


@pytest.mark.parametrize("what", ["write", "write_to_held"])
def test_no_byte_is_written_to_any_file_whatever_the_kernel(found: dict[str, Any], what: str) -> None:
    assert found[what] in ("OSError", "PermissionError")


@pytest.mark.parametrize(
    "what", ["write", "read", "list", "rename", "remove", "make a folder", "truncate", "read the users", "run"]
)
def test_where_the_kernel_can_it_reads_and_changes_no_file(found: dict[str, Any], what: str) -> None:
    assert found["confined"], "the kernel has no landlock: the service's own sandbox is all there is"
    assert found[what] == "PermissionError"


@pytest.mark.skipif(os.uname().release.startswith(("5.", "6.1.")), reason="the kernel restricts no connections")
@pytest.mark.parametrize("what", ["connect", "signal"])
def test_where_the_kernel_can_it_makes_no_connection_and_sends_no_signal(found: dict[str, Any], what: str) -> None:
    assert found[what] == "PermissionError"


def test_it_still_imports_what_it_needs_later(found: dict[str, Any]) -> None:
    assert found["import"] == "done"


def test_it_leaves_no_core_dump_and_ends_with_the_daemon_alone(found: dict[str, Any]) -> None:
    assert found["core"] == [0, 0]
    assert found["terms"] == [True, True]
