"""Do `history`, `show` and `logs` tell what happened?"""

import json
import os
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from machines import Machines
from pinakactl import DEADLINE_S, ask, begin, folders, on_a_terminal, pinakactl
from world import World

from pinakad.cli.views.script_log import Screen
from pinakad.report.document import Report


def failed_run(world: World, script: str = "exit 7") -> Report:
    world.write_script(script)
    if world.daemon is None:
        world.add_node(1)
        world.start()
    return world.serve()


# --- history


def test_history_tells_each_deployment_in_a_line_the_newest_first(world: World) -> None:
    first, second = failed_run(world), failed_run(world, "kill -9 $$")
    lines = ask(world, "history").splitlines()
    assert lines[0].split() == ["deployment", "requested", "outcome", "nodes", "up", "took", "why"]
    assert [line.split()[0] for line in lines[1:]] == [second.id, first.id]
    assert " failed   0/1 " in lines[1]
    assert lines[1].endswith("script_failed: the script was ended by signal 9")
    assert lines[2].endswith("script_failed: the script ended with status 7")
    assert len(ask(world, "history", "-n", "1").splitlines()) == 2


@pytest.mark.parametrize("width", [40, 80, 200])
def test_on_a_narrow_terminal_what_matters_is_whole_and_the_rest_is_cut(world: World, width: int) -> None:
    report = failed_run(world)
    lines = on_a_terminal(world, "history", COLUMNS=str(width), NO_COLOR="1").splitlines()
    assert lines[1].startswith(f"{report.id}  ")
    assert all(len(line) <= width for line in lines[1:])
    assert (" failed " in lines[1]) == (width > 40)
    assert lines[1].rstrip().endswith("the script ended with status 7") == (width == 200)


def test_history_as_json_has_the_names_of_the_report(world: World) -> None:
    report = failed_run(world)
    [told] = json.loads(ask(world, "history", "--json"))
    assert (told["id"], told["outcome"], told["reason"]) == (report.id, "failed", "script_failed")
    assert told["counts"] == report.counts.model_dump()
    began, ended = (datetime.fromisoformat(text) for text in (told["started_at"], told["finished_at"]))
    assert told["duration_s"] == pytest.approx((ended - began).total_seconds(), abs=0.002)


def test_a_deployment_that_runs_is_part_of_the_history(world: World) -> None:
    line, go_on = world.gate()
    world.write_script(line)
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    world.wait(lambda: world.report().phase == "polling", "polling")
    assert " polling  0/1 " in ask(world, "history")
    assert json.loads(ask(world, "history", "--json"))[0]["outcome"] is None
    go_on()


def test_a_report_that_cannot_be_read_is_told_and_hides_no_other(world: World) -> None:
    first, second = failed_run(world), failed_run(world)
    for name in ("report.json", "report.durable.json"):
        (world.folder(second.id) / name).write_bytes(b"{")
    lines = ask(world, "history").splitlines()
    assert lines[1].split()[:3] == [second.id, "-", "unreadable"]
    assert lines[2].startswith(first.id)
    assert [entry["phase"] for entry in json.loads(ask(world, "history", "--json"))] == [None, "finished"]


def test_where_no_deployment_was_history_says_so_and_show_fails(tmp_path: Path) -> None:
    done = pinakactl(tmp_path, "history")
    assert (done.returncode, done.stdout) == (0, "no deployment yet\n")
    for command in ("show", "logs"):
        done = pinakactl(tmp_path, command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"pinakactl: there is no deployment in '{tmp_path}/state/deployments' yet; ")


# --- show


def test_show_tells_the_steps_of_a_run_in_their_order_and_those_of_its_nodes(world: World, machines: Machines) -> None:
    machines.add(1)
    world.add_node(1)
    world.add_node(2)
    world.configure(poll={"attempts": 3})
    world.write_script("echo done")
    world.start()
    report = world.serve()
    lines = ask(world, "show").splitlines()
    assert lines[0].startswith(f"deployment          {report.id} on ")
    steps = [line.split(" s  ", 1)[1] for line in lines if " +" in line and line[:2] == "20"]
    assert steps[:3] == ["requested", "taken: the node files and the key are checked", "launched"]
    assert sorted(steps[3:5]) == ["polling of 2 nodes begins", "the script exited with status 0 after 0 s"]
    assert steps[5:] == ["finished: failed (nodes_unreachable)"]
    rows = [line.split() for line in lines if line.startswith("sqdn-")]
    assert [row[0] for row in rows] == ["sqdn-002", "sqdn-001"]
    assert (rows[0][1:3], rows[0][5]) == (["failed", "-"], "refused")
    assert (rows[1][1], rows[1][-1]) == ("up", world.address(1))
    assert json.loads(ask(world, "show", "--json")) == json.loads(report.json_text())


def test_a_node_is_found_by_its_name_its_short_name_its_address_and_its_file(world: World, machines: Machines) -> None:
    machines.add(1, "sqdn-001.example.org")
    world.add_node(1, hostname="sqdn-001.example.org")
    world.start()
    node = world.serve().nodes[0]
    for name in ("SQDN-001.example.org", "sqdn-001", world.address(1), "node_01.json"):
        assert json.loads(ask(world, "show", "--node", name, "--json")) == node.model_dump(mode="json")
    told = {line[:20].strip(): line[20:] for line in ask(world, "show", "--node", "sqdn-001").splitlines()}
    assert set(node.model_dump()) <= set(told)
    assert (told["state"], told["boot_id_after"]) == ("up", machines[1].boot_id)
    text = ask(world, "show", "--node", "sqdn-002", code=2)
    assert text.startswith("pinakactl: cannot find a node 'sqdn-002' in deployment ")
    assert len(text.splitlines()) == 1


def test_a_deployment_is_found_by_its_id_its_counter_and_how_it_begins(world: World) -> None:
    first, second = failed_run(world), failed_run(world)
    for text in (first.id, "1", "0001", ".0001", first.id[:-1]):
        if text == first.id[:-1] and second.id.startswith(text):
            continue  # both within one second
        assert json.loads(ask(world, "show", text, "--json"))["id"] == first.id
    assert json.loads(ask(world, "show", "--json"))["id"] == second.id
    assert "cannot find a deployment '3' in " in ask(world, "show", "3", code=2)
    text = ask(world, "show", "20", code=2)
    assert f"cannot tell which deployment '20' is, 2 begin so ({first.id}, {second.id})" in text


# --- logs


def test_the_scripts_output_goes_to_a_pipe_as_it_was_written(world: World) -> None:
    failed_run(world, "printf 'a\\033[2J\\r\\n\\377\\0b'; exit 1")
    done = pinakactl(world.root, "history", variables=folders(world))
    assert done.returncode == 0
    with begin(world, "logs", "--script") as process:
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (0, b"a\x1b[2J\r\n\xff\x00b")


def test_on_a_terminal_the_scripts_output_can_colour_and_nothing_else(world: World) -> None:
    failed_run(
        world, "printf '\\033[1;31mred\\033[0m\\tok\\n\\033[2J\\033]0;t\\007\\377\\302\\233 \\303\\274\\n'; exit 1"
    )
    text = on_a_terminal(world, "logs", "--script")
    assert text == "\x1b[1;31mred\x1b[0m\tok\n\\x1b[2J\\x1b]0;t\\x07\\xff\\x9b \u00fc\n\x1b[0m"


def test_following_ends_when_the_script_has_ended_and_nothing_is_missing(world: World) -> None:
    line, go_on = world.gate()
    world.write_script(f"echo first\n{line}\necho second\nexit 1")
    world.add_node(1)
    world.start()
    world.touch()
    world.wait(world.runs, "the script")
    with begin(world, "logs", "-f", "--script") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"first\n"
        go_on()
        assert process.stdout.read() == b"second\n"
        assert process.wait(DEADLINE_S) == 0
    world.answer()


def test_whoever_follows_before_the_script_runs_misses_nothing(world: World) -> None:
    world.write_script("echo said; exit 1")
    world.put_node("node_01.json", "{")  # its writer is waited for: the launch comes in a second
    world.start()
    world.touch()
    world.wait(world.deployments, "a deployment")
    world.wait((world.folder() / "report.json").exists, "a report")
    with begin(world, "logs", "-f", "--script") as process:
        world.add_node(1)
        out, _ = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out) == (0, b"said\n")


@pytest.mark.parametrize(
    ("settings", "script", "text"),
    [
        ({"output": "null"}, "exit 1", '[script] output is "null", its output went to nowhere\n'),
        ({"launch": False}, "", "[script] launch is false, and whoever started the script has its output\n"),
        ({}, None, "was not started, it ended with script_not_found; see pinakactl show "),
    ],
)
def test_where_there_is_no_output_it_is_told_why(
    world: World, settings: dict[str, object], script: str | None, text: str
) -> None:
    world.configure(script=settings, poll={"attempts": 1})
    world.add_node(1)
    world.write_script(script or "")
    if script is None:
        world.script.unlink()
    world.start()
    world.serve()
    for arguments in (["logs"], ["logs", "-f", "--script"]):
        assert text in ask(world, *arguments, code=1)


def a_link_to_a_secret(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def a_link_without_end(place: Path) -> None:
    place.symlink_to("/dev/zero")


NOT_REGULAR = [a_link_to_a_secret, a_link_without_end, os.mkfifo, Path.mkdir]


@pytest.mark.parametrize("make", NOT_REGULAR)
def test_what_is_in_place_of_the_log_is_neither_followed_nor_waited_for(
    world: World, make: Callable[[Path], None]
) -> None:
    failed_run(world)
    log = world.folder() / "script.log"
    log.unlink()
    make(log)
    text = f"pinakactl: cannot read '{log}': it is no regular file, so the script's supervisor did not make it\n"
    assert ask(world, "logs", "--script", code=1) == text
    assert ask(world, "logs", "-f", "--script", code=1) == text


@pytest.mark.parametrize("make", NOT_REGULAR)
def test_what_is_in_place_of_the_record_of_the_start_is_neither_followed_nor_waited_for(
    world: World, make: Callable[[Path], None]
) -> None:
    failed_run(world)
    world.stop()
    for name in ("started", "exit", "report.json"):
        place = world.folder() / name
        place.unlink()
        make(place)
    for words in (["logs"], ["logs", "--script"], ["logs", "-f", "--script"]):
        assert ask(world, *words) == ""
    for words in (["status"], ["show"], ["history"], ["show", "--node", "sqdn-001"], ["metrics"]):
        assert ask(world, *words), "the report is read from its durable copy"
    done = pinakactl(world.root, "doctor", variables=folders(world))
    assert done.returncode in (0, 1), done.stderr


@pytest.mark.parametrize(
    "record", ["[]", "7", '{"boot_id": [], "supervisor_pid": 1}', '{"boot_id": "--root=/x", "supervisor_pid": {}}']
)
def test_a_record_of_the_start_that_no_supervisor_writes_gives_journalctl_no_words(world: World, record: str) -> None:
    failed_run(world)
    (world.folder() / "started").write_text(record, encoding="utf-8")
    assert ask(world, "logs", PATH=os.environ["PATH"]) == ""


HOSTILE = "\x9b31m\x7f\u202e\u2028\U000e0001"


def test_no_word_of_a_forged_report_reaches_the_terminal_unescaped(world: World) -> None:
    failed_run(world)
    world.stop()
    for name in ("report.json", "report.durable.json"):
        place = world.folder() / name
        document = json.loads(place.read_bytes())
        document["message"] = document["host"] = document["nodes"][0]["hostname"] = f"x{HOSTILE}x"
        place.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    words = [["status"], ["status", "--json"], ["status", "--nodes"], ["show"], ["show", "--json"], ["history"]]
    for command in [*words, ["history", "--json"], ["show", "--node", "1"], ["logs", "--script"]]:
        done = pinakactl(world.root, *command, variables=folders(world))
        lines = (done.stdout + done.stderr).replace("\t", " ").split("\n")
        assert all(line.isprintable() for line in lines), command
    told = json.loads(ask(world, "show", "--json"))
    assert told["message"] == f"x{HOSTILE}x", "escaped, it is the same document"


def test_a_wrong_word_on_the_command_line_is_told_escaped(world: World) -> None:
    for words in (["show", HOSTILE], ["--config", HOSTILE, "config"], ["validate", HOSTILE], ["metrics", HOSTILE]):
        done = pinakactl(world.root, *words, variables=folders(world))
        assert done.returncode in (1, 2)
        assert all(line.isprintable() for line in done.stderr.split("\n")), words


@pytest.mark.parametrize(
    ("arguments", "options"), [(["logs"], ""), (["logs", "-f"], "--follow --lines=all "), (["logs", "1"], "")]
)
def test_what_the_journal_has_is_read_by_journalctl_itself(world: World, arguments: list[str], options: str) -> None:
    report = failed_run(world)
    programs = journalctl_that_tells_its_arguments(world.root)
    told = ask(world, *arguments, PATH=programs)
    assert told == f"--no-hostname {options}DEPLOYMENT_ID={report.id} + {script_matches(world, report)}\n"
    assert ask(world, *arguments, "--script", PATH=programs) == ""


def test_what_the_script_said_to_the_journal_is_read_there(world: World) -> None:
    world.configure(script={"output": "journal"})
    report = failed_run(world)
    programs = journalctl_that_tells_its_arguments(world.root)
    told = ask(world, "logs", "--script", "-f", PATH=programs)
    assert told == f"--no-hostname --output=cat --follow --lines=all {script_matches(world, report)}\n"
    assert "its output went to the journal" in ask(world, "logs", "--script", code=1)


def script_matches(world: World, report: Report) -> str:
    """Return what finds the script's output in the journal: its unit, or what its supervisor has sent."""
    started = json.loads((world.folder(report.id) / "started").read_bytes())
    boot = started["boot_id"].replace("-", "")
    sent = f"SYSLOG_IDENTIFIER=pinakad-script _BOOT_ID={boot} _PID={started['supervisor_pid']}"
    return f"_SYSTEMD_UNIT=pinakad-script@{report.id}.service + {sent}"


def journalctl_that_tells_its_arguments(root: Path) -> str:
    """Stand in for the journal's own program, which this machine may not have."""
    programs = root / "programs"
    programs.mkdir()
    program = programs / "journalctl"
    program.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return f"{programs}:{os.environ['PATH']}"


def test_a_colour_that_comes_in_pieces_is_a_colour_and_what_never_ends_is_none() -> None:
    screen = Screen()
    assert screen.feed(b"a\x1b") + screen.feed(b"[3") + screen.feed(b"1mb\xc3") + screen.feed(b"\xbc\x1b[9") == (
        "a\x1b[31mb\u00fc".encode()
    )
    assert screen.end() == b"\\x1b[9\x1b[0m"
    assert Screen().feed(b"\x1b[" + b"1" * 100) == b"\\x1b[" + b"1" * 100


def test_journalctl_of_this_machine_takes_the_arguments(world: World) -> None:
    if shutil.which("journalctl") is None:
        pytest.skip("journalctl is not installed")
    failed_run(world)
    assert ask(world, "logs") == ""


def test_no_host_name_of_a_forged_report_puts_a_command_on_the_command_line(world: World) -> None:
    failed_run(world)
    world.stop()
    for name in ("report.json", "report.durable.json"):
        place = world.folder() / name
        document = json.loads(place.read_bytes())
        document["nodes"].append(document["nodes"][0] | {"hostname": "sqdn-$(reboot)", "file": "node_02.json"})
        place.write_text(json.dumps(document), encoding="utf-8")
    variables = {"_PINAKACTL_COMPLETE": "bash_complete", "COMP_WORDS": "pinakactl show --node sqdn", "COMP_CWORD": "3"}
    done = pinakactl(world.root, variables=folders(world) | variables)
    assert done.stdout == "plain,sqdn-001\n"
