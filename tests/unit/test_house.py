"""The house: where everything stands, how long it may be, and what tests it. A newcomer finds a file by these."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import CHECKOUT, TESTS

import pinakad

ROOT = Path(pinakad.__file__).parent
MODULES = sorted(path for path in ROOT.rglob("*.py") if path.name != "__init__.py")
PACKAGES = sorted(path for path in ROOT.rglob("__init__.py"))
NAMES = [str(path.relative_to(ROOT)) for path in MODULES]
LONGER = {"script/supervisor.py": 400}  # one program, read from its top to its end: its opening says why
MAX_LINES, MAX_METHODS, MAX_FUNCTION_LINES = 300, 15, 60

# Modules whose tests have another name: parts of a program are tested through the program, tables with their users.
TESTED_BY = {
    "__main__.py": "unit/script/test_launch_service.py",
    "events.py": "daemon/test_systemd_files.py",
    "tables.py": "unit/test_config.py",
    "times.py": "unit/report/test_document.py",
    "cli/__main__.py": "cli/test_cli.py",
    "cli/program.py": "cli/test_cli.py",
    "cli/checks/*": "cli/test_doctor.py",
    "cli/commands/cancel.py": "cli/test_steer.py",
    "cli/commands/retire.py": "cli/test_steer.py",
    "cli/commands/retry.py": "cli/test_steer.py",
    "cli/commands/reach.py": "daemon/test_reach.py",
    "cli/commands/completion.py": "unit/generate/test_manual.py",
    "cli/commands/config.py": "cli/test_cli.py",
    "cli/commands/history.py": "cli/test_story.py",
    "cli/commands/logs.py": "cli/test_story.py",
    "cli/commands/metrics.py": "daemon/test_metrics.py",
    "cli/commands/show.py": "cli/test_story.py",
    "cli/console/complete.py": "unit/generate/test_manual.py",
    "cli/console/*": "cli/test_cli.py",
    "cli/install/*": "cli/test_setup_checks.py",
    "cli/rehearsal/*": "cli/test_simulate.py",
    "cli/views/overview.py": "cli/test_status.py",
    "cli/views/script_log.py": "cli/test_story.py",
    "cli/views/verdict.py": "cli/test_wait.py",
    "cli/views/watching.py": "cli/test_watch.py",
    "client/*": "cli/test_apply.py",
    "daemon/startup.py": "daemon/test_security.py",
    "daemon/signals.py": "daemon/test_requests_live.py",
    "daemon/options.py": "unit/generate/test_manual.py",
    "daemon/node_loop.py": "daemon/test_bad_input.py",
    "daemon/*": "daemon/test_main_job.py",
    "deployment/old_addresses.py": "daemon/test_old_addresses.py",
    "deployment/dependencies.py": "unit/deployment/test_deployment.py",
    "generate/*": "unit/generate/test_manual.py",
    "provision/controller.py": "e2e/test_provision.py",
    "provision/remote.py": "e2e/test_provision.py",
    "provision/run_node.py": "e2e/test_provision.py",
    "provision/*": "unit/provision/test_render.py",
    "web/compat.py": "web/test_existing_front_end.py",
    "web/documents.py": "web/test_openapi.py",
    "web/table.py": "web/test_openapi.py",
    "web/asgi.py": "web/test_strangers_at_the_door.py",
    "web/runner.py": "web/test_strangers_at_the_door.py",
    "web/listeners.py": "web/test_strangers_at_the_door.py",
    "web/rates.py": "unit/web/test_credentials.py",
    "web/*": "web/test_interface.py",
    "daemon/reach.py": "daemon/test_reach.py",
    "daemon/question.py": "daemon/test_reach.py",
    "markers/reach.py": "daemon/test_reach.py",
    "nodes/networks.py": "daemon/test_reach.py",
    "linux/limits.py": "daemon/test_limits.py",
    "linux/leases.py": "unit/markers/test_settling.py",
    "linux/clock.py": "daemon/test_clocks.py",
    "linux/loop.py": "promises/test_few_threads.py",
    "linux/threads.py": "promises/test_few_threads.py",
    "linux/landlock.py": "unit/login/test_sandbox.py",
    "linux/shortage.py": "unit/ssh/test_shortage.py",
    "linux/calls.py": "unit/linux/test_files.py",
    "linux/*": "promises/test_root_in_others_folders.py",
    "login/facts.py": "promises/test_chatty_nodes.py",
    "login/key_file.py": "promises/test_operators_keys.py",
    "login/keys.py": "promises/test_operators_keys.py",
    "login/login.py": "unit/ssh/test_prober_truth.py",
    "login/own_time.py": "unit/ssh/test_own_time.py",
    "login/transport.py": "promises/test_chatty_nodes.py",
    "markers/names.py": "unit/markers/test_folder.py",
    "nodes/hostname.py": "unit/nodes/test_node_file.py",
    "nodes/machine.py": "unit/nodes/test_conflicts.py",
    "nodes/reading.py": "unit/nodes/test_selection.py",
    "nodes/spelling.py": "unit/nodes/test_keys.py",
    "printable.py": "unit/test_problems.py",
    "polling/*": "unit/polling/test_node_poll.py",
    "report/*": "unit/report/test_document.py",
    "script/still_running.py": "promises/test_record_removed.py",
    "script/permissions.py": "promises/test_doctor_and_daemon.py",
    "script/run_ledger.py": "unit/script/test_unit.py",
    "script/snapshot_copy.py": "unit/script/test_unit.py",
    "script/*": "unit/script/test_script.py",
    "simulate/*": "unit/simulate/test_rack.py",
    "ssh/known_hosts.py": "promises/test_operators_keys.py",
    "ssh/login_call.py": "unit/ssh/test_workers_that_end.py",
    "ssh/login_turns.py": "unit/ssh/test_shortage.py",
    "ssh/worker_pool.py": "unit/ssh/test_workers_that_end.py",
    "ssh/worker_process.py": "unit/ssh/test_workers_that_end.py",
    "ssh/*": "unit/ssh/test_banner.py",
    "state/crash_points.py": "promises/test_crash_matrix.py",
    "state/metrics_file.py": "daemon/test_metrics.py",
    "state/*": "unit/state/test_store.py",
}


def file_that_tests(name: str) -> str | None:
    """Return the test file of a module: the one of its own name, else what the table says."""
    folder, _, file = name.rpartition("/")
    places = [TESTS / "unit" / folder, *([TESTS / "cli"] if folder.startswith("cli") else [])]
    own = [found for place in places for found in sorted(place.glob(f"test_{file.removesuffix('.py')}*.py"))]
    if own:
        return str(own[0].relative_to(TESTS))
    return TESTED_BY.get(name) or TESTED_BY.get(f"{folder}/*")


@pytest.mark.parametrize("name", NAMES)
def test_each_module_has_its_test_file(name: str) -> None:
    file = file_that_tests(name)
    assert file is not None, f"name tests/unit/{name.replace('/', '/test_')}, or say in the table what tests it"
    assert (TESTS / file).is_file(), file


def test_the_table_of_tests_has_no_line_too_many() -> None:
    used = set()
    for name in NAMES:
        keys = (name, f"{name.rpartition('/')[0]}/*")
        file = file_that_tests(name)
        used |= {key for key in keys if TESTED_BY.get(key) == file}
    assert set(TESTED_BY) == used


# --- the faces


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_package_introduces_all_its_files_and_no_other(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    listed = set(re.findall(r"^ *([\w/]+\.py|\w+/)  +\S", text, re.MULTILINE))
    listed |= set(re.findall(r"[(,] ?(\w+\.py): ", text))
    folder = path.parent
    there = {item.name for item in folder.glob("*.py")} - {"__init__.py"}
    there |= {f"{item.parent.name}/" for item in folder.glob("*/__init__.py")}
    assert listed == there


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_face_of_a_package_holds_no_code(path: Path) -> None:
    rest = ast.parse(path.read_text(encoding="utf-8")).body[1:]
    if path.parent == ROOT:
        [version] = rest
        assert isinstance(version, ast.Assign)
        assert ast.unparse(version.targets[0]) == "__version__"
    else:
        assert rest == []


# --- the walls


@pytest.mark.parametrize("name", NAMES)
def test_files_classes_and_functions_keep_their_size(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGER.get(name, MAX_LINES)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            methods = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            assert len(methods) <= MAX_METHODS, node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, node.name


def test_no_file_is_named_by_what_it_is_not() -> None:
    unclear = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    stems = {path.stem for folder in (ROOT, TESTS) for path in folder.rglob("*.py")}
    stems |= {path.parent.name for path in PACKAGES}
    assert stems & unclear == set()


# --- purity: what decides has no sockets, files, threads and clocks

IMPURE = {"asyncio", "os", "pathlib", "subprocess", "threading", "time", "socket", "logging"}
PURE = [
    *sorted(ROOT.glob("nodes/*.py")),
    *sorted(ROOT.glob("polling/*.py")),
    *sorted(ROOT.glob("report/*.py")),
    *(ROOT / "deployment" / f"{name}.py" for name in ("transitions", "verdict", "deadlines")),
    *(ROOT / f"{name}.py" for name in ("times", "problems", "events")),
]
SHELL = {ROOT / "nodes" / "folder.py", ROOT / "polling" / "poller.py"}


@pytest.mark.parametrize("path", [path for path in PURE if path not in SHELL], ids=lambda path: path.stem)
def test_what_decides_is_pure(path: Path) -> None:
    assert set(_imported(path)) & IMPURE == set()


def test_the_shells_are_none() -> None:
    """The check can fail: these two are excepted because they are not pure."""
    assert all(set(_imported(path)) & IMPURE for path in SHELL)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]


# --- the tests


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_patches_our_own_code(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imports |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert imports & {"unittest.mock", "mock", "pytest_mock"} == set()
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert not [call for call in calls if call.endswith(("monkeypatch.setattr", "mock.patch", "mocker.patch"))]


def test_the_checkout_is_the_one_that_is_imported() -> None:
    assert ROOT == CHECKOUT / "pinakad"
