"""Do the manual pages and the shells' completion tell what the programs know?"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from paths import CHECKOUT
from pinakactl import DEADLINE_S, ask, environment, folders, pinakactl
from pydantic import BaseModel
from world import World

from pinakad.cli.install.installation import MANUALS, known_places, shipped
from pinakad.cli.program import COMMANDS
from pinakad.config import Config
from pinakad.generate.manual import PAGES, pages

ROOT = CHECKOUT


# --- the manual


def test_the_pages_that_are_shipped_are_what_the_programs_say_now() -> None:
    for name, text in pages().items():
        assert shipped(f"man/{name}") == text, "python -m pinakad.generate"
    assert sorted(path.name for path in (ROOT / "systemd" / "man").iterdir()) == sorted(PAGES)


def test_every_page_is_shipped_with_the_package_and_installed_by_setup() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"]["force-include"]["systemd"] == "pinakad/systemd"
    for name in PAGES:
        assert MANUALS / f"man{name[-1]}" / name in known_places()


def rendered(name: str) -> str:
    """Return a page as a person reads it, where groff is installed; otherwise without its markup."""
    file = ROOT / "systemd" / "man" / name
    if shutil.which("groff") is None:
        return file.read_text(encoding="ascii").replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    words = ["groff", "-man", "-ww", "-Tascii", "-P-cbou", "-rLL=200n", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_pages_render_without_a_warning_and_have_every_command_and_every_setting() -> None:
    text = rendered("pinakactl.1")
    for name, sentence in COMMANDS.items():
        assert f"pinakactl {name} [OPTIONS]" in text
        assert sentence in text
    text = rendered("pinakad.toml.5")
    for table, field in Config.model_fields.items():
        assert f"[{table}]" in text
        for key, setting in type(field.default).model_fields.items():
            is_table = isinstance(setting.default, BaseModel)
            assert f"[{table}.{key}]" in text if is_table else (f"\n       {key}" in text or f"\n{key}" in text)
    text = rendered("pinakad.8")
    assert "--runner" in text
    assert "Another pinakad serves these folders." in text


def test_nothing_in_a_page_is_taken_for_a_request_that_is_none() -> None:
    known = (".SH", ".SS", ".TH", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi", ".br", ".B", ".BR", ".nh", ".ad", '.\\"')
    for text in pages().values():
        for line in text.splitlines():
            assert not line.startswith("'")
            assert not line.startswith(".") or line.split()[0] in known, line


def test_the_page_of_the_daemon_has_every_option_that_its_help_tells() -> None:
    done = subprocess.run([sys.executable, "-m", "pinakad", "--help"], capture_output=True, text=True, check=True)
    page = rendered("pinakad.8")
    for option in re.findall(r"--[a-z]+", done.stdout):
        assert option in page


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_asks_pinakactl(tmp_path: Path, shell: str) -> None:
    done = pinakactl(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_PINAKACTL_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=done.stdout.encode(), check=True, timeout=DEADLINE_S)


def complete(world_folder: Path, *words: str, **variables: str) -> list[str]:
    """Return what bash would offer for the last of the words, as (word)s."""
    own = {"_PINAKACTL_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("pinakactl", *words))}
    done = pinakactl(world_folder, variables=own | {"COMP_CWORD": str(len(words))} | variables)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_commands_and_options_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "st") == ["status"]
    assert set(COMMANDS) <= set(complete(tmp_path, ""))
    assert complete(tmp_path, "history", "--j") == ["--json"]


def test_deployments_and_nodes_are_completed(world: World) -> None:
    world.write_script("exit 1")
    for number in (1, 2):
        world.add_node(number)
    world.start()
    first, second = world.serve(), world.serve()
    assert complete(world.root, "show", "20", **folders(world)) == [second.id, first.id]
    assert complete(world.root, "logs", first.id[:-2], **folders(world))[-1] == first.id
    assert complete(world.root, "show", "--node", "sqdn-00", **folders(world)) == ["sqdn-001", "sqdn-002"]
    assert ask(world, "show", "1", "--node", "sqdn-002", "--json")


def test_where_nothing_is_nothing_is_completed_and_nothing_said(tmp_path: Path) -> None:
    assert complete(tmp_path, "show", "20") == []
    assert complete(tmp_path, "show", "--node", "x") == []
    assert not Path(environment(tmp_path)["STATE_DIRECTORY"]).exists()
