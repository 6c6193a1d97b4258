"""The wheels that a container without a network installs from: ours, built here, and all that it needs."""

import re
import shutil
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
UPGRADE = "99.0"
FORMER = "2959311"
"""The version before this one; its units name modules that have moved since."""


def build_wheels(folder: Path) -> None:
    """Build for the containers' Python: our wheel with all that it needs (wheels/), and a later one (upgrade/)."""
    python = folder / "builder" / "bin" / "python"
    subprocess.run(["/usr/bin/python3", "-m", "venv", folder / "builder"], check=True)
    _pip_wheel(python, f"{CHECKOUT}[web]", folder / "wheels")
    _pip_wheel(python, _newer_checkout(folder), folder / "upgrade", "--no-deps")


def _newer_checkout(folder: Path) -> Path:
    """Copy what a wheel is made of, as a later version."""
    copy = folder / "newer"
    for name in ("pinakad", "systemd"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(CHECKOUT / name, copy)
    package = copy / "pinakad" / "__init__.py"
    text, found = re.subn(
        r'(?m)^__version__ = "[^"]*"', f'__version__ = "{UPGRADE}"', package.read_text(encoding="utf-8")
    )
    assert found == 1, package
    package.write_text(text, encoding="utf-8")
    return copy


def _pip_wheel(python: Path, source: Path | str, wheels: Path, *options: str) -> None:
    words = [str(python), "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir", str(wheels)]
    # sdnotify has no wheel of its own: Debian 12's pip 23.0 would build it with a package `wheel` that is not there
    subprocess.run([*words, "--use-pep517", *options, str(source)], check=True)


def build_former_wheel(folder: Path) -> None:
    """Build the version that was released before, from the history, with the same builder (former/)."""
    source = folder / "former-source"
    source.mkdir()
    packed = subprocess.run(["git", "-C", CHECKOUT, "archive", FORMER], check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", source], input=packed, check=True)
    _pip_wheel(folder / "builder" / "bin" / "python", source, folder / "former", "--no-deps")
