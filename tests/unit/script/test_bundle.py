"""The supervisor's program: is it all there, of the standard library alone, and with each name once?"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from pinakad.script import supervisor
from pinakad.script.bundle import _PARTS, program_compiled, program_text


def test_it_imports_nothing_of_ours() -> None:
    imports = [node for node in ast.walk(ast.parse(program_text())) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {name.name for node in imports for name in node.names} | {
        node.module or "" for node in imports if isinstance(node, ast.ImportFrom)
    }
    assert not [name for name in names if name.startswith("pinakad")]
    assert "os" in names


def test_each_part_has_its_names_for_itself() -> None:
    """Joined, a name of one part would replace the same name of another, without a word."""
    owner: dict[str, str] = {}
    for part in _PARTS:
        tree = ast.parse(Path(part.__file__ or "").read_bytes())
        for name in _defined(tree) - {"TYPE_CHECKING"}:
            assert name not in owner, f"{name} is in {owner[name]} and in {part.__name__}"
            owner[name] = part.__name__
    assert {"claim", "leave", "Output", "Spec", "main", "foreign_runs"} <= set(owner)


def test_what_two_parts_import_under_one_name_is_one_module() -> None:
    """Joined, the import of a later part would replace that of an earlier one, without a word."""
    owner: dict[str, tuple[str, set[str]]] = {}
    for part in _PARTS:
        for name, modules in _imported(ast.parse(Path(part.__file__ or "").read_bytes())).items():
            first, before = owner.setdefault(name, (part.__name__, modules))
            assert modules == before, f"{name} is one thing in {first} and another in {part.__name__}"
    assert {"os", "time", "signal"} <= set(owner)


def test_what_a_part_imports_of_ours_is_a_part_above_it() -> None:
    above: set[str] = set()
    for part in _PARTS:
        tree = ast.parse(Path(part.__file__ or "").read_bytes())
        ours = {
            node.module
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pinakad")
        }
        assert ours <= above
        above.add(part.__name__)


def test_it_runs_without_our_package_as_text_and_compiled(tmp_path: Path) -> None:
    for name, program in (("program.py", program_text()), ("program.pyc", program_compiled())):
        file = tmp_path / name
        file.write_bytes(program)
        spec = supervisor.Spec(
            folder=str(tmp_path),
            identifier="x",
            script="/nowhere",
            cwd="/",
            environment={},
            output="null",
            log_max_bytes=0,
            boot_id="b",
        )
        command = [sys.executable, "-I", "-S", str(file), *spec.words()]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
        assert (done.returncode, done.stderr) == (supervisor.GAVE_UP, "")


@pytest.mark.parametrize("environment", [{}, {"A": "1=2", "B": ""}, {"A": "two\nlines", "B": " "}])
@pytest.mark.parametrize(("output", "open_files"), [("file", 1024), ("journal", 0), ("null", -1)])
def test_a_command_line_gives_the_spec_back(environment: dict[str, str], output: str, open_files: int) -> None:
    spec = supervisor.Spec(
        folder="/f o",
        identifier="id",
        script="/s",
        cwd="/c",
        environment=environment,
        output=output,
        log_max_bytes=7,
        boot_id="b",
        open_files=open_files,
    )
    assert vars(supervisor.Spec.of_words(spec.words())) == vars(spec)


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return names


def _imported(tree: ast.Module) -> dict[str, set[str]]:
    """Return what the names are that are imported outside of functions, but for those of ours."""
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    found: dict[str, set[str]] = {}
    for node in (inner for outer in outside for inner in ast.walk(outer)):
        if isinstance(node, ast.Import):
            for name in node.names:
                found.setdefault(name.asname or name.name, set()).add(name.name)
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("pinakad"):
            for name in node.names:
                found.setdefault(name.asname or name.name, set()).add(f"{node.module}.{name.name}")
    return found
