"""How does a file get an access control list in a test? As an operator gives it one: by setfacl(1)."""

import shutil
import subprocess
from pathlib import Path

import pytest


def grant(path: Path, *entries: str) -> None:
    """Add entries such as `u:4711:rw` to the file's list; skip the test where this machine cannot."""
    if shutil.which("setfacl") is None:
        pytest.skip("setfacl is not installed (apt-get install acl)")
    done = subprocess.run(["setfacl", "-m", ",".join(entries), path], capture_output=True, text=True, check=False)
    if "not supported" in done.stderr:
        pytest.skip("this file system has no access control lists")
    assert done.returncode == 0, done.stderr
