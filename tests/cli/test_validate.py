import json
from pathlib import Path

import pytest
from forms import bonds, default, segregated
from pinakactl import pinakactl

WRONG = '{"hostname": "bad_name", "using_interfaces": {}, "disk": [], "roles": ["Storage"]}'


def put(path: Path, hostname: str, address: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(default(hostname, address)), encoding="utf-8")
    return path


def test_a_good_file_is_told_with_its_polled_address_and_how_that_was_chosen(tmp_path: Path) -> None:
    for number, form in enumerate((default, bonds, segregated), start=1):
        document = form(f"sqdn-{number}", f"10.0.0.{number}")
        (tmp_path / f"node_{number:02d}.json").write_text(json.dumps(document), encoding="utf-8")
    done = pinakactl(tmp_path, "validate", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "file          node    polled at  because it is",
        "node_01.json  sqdn-1  10.0.0.1   the first interface of type Primary",
        "node_02.json  sqdn-2  10.0.0.2   the first interface of type Primary",
        "node_03.json  sqdn-3  10.0.0.3   the first interface of type Mgmt",
        "",
        "3 files, 3 nodes: good",
    ]


def test_every_problem_of_every_file_is_told_in_one_go(tmp_path: Path) -> None:
    put(tmp_path / "node_01.json", "sqdn-1", "10.0.0.1")
    put(tmp_path / "node_02.json", "sqdn-2", "10.0.0.1")
    (tmp_path / "node_03.json").write_text(WRONG, encoding="utf-8")
    (tmp_path / "node_04.json").write_text("{", encoding="utf-8")
    done = pinakactl(tmp_path, "validate", "--json", tmp_path)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    assert {(problem["file"], problem["code"]) for problem in told["problems"]} == {
        ("node_02.json", "duplicate_address"),
        ("node_03.json", "bad_hostname"),
        ("node_03.json", "storage_without_disk"),
        ("node_03.json", "no_poll_address"),
        ("node_04.json", "not_json"),
    }
    text = pinakactl(tmp_path, "validate", tmp_path).stdout
    assert text.endswith("4 files, 2 nodes, 5 errors: a deployment of these files would fail\n")
    assert "error       node_03.json /hostname: " in text


def test_json_has_the_names_of_the_report(tmp_path: Path) -> None:
    old, new = (put(tmp_path / name, "sqdn-1", "10.0.0.1") for name in ("node_01.json", "node_02.json"))
    told = json.loads(pinakactl(tmp_path, "validate", "--json", old, new).stdout)
    [node] = told["nodes"]
    assert (node["file"], node["hostname"], node["address"]) == ("node_02.json", "sqdn-1", "10.0.0.1")
    assert (node["address_source"], node["port"], node["user"]) == ("primary", 22, "pinakasupport")
    assert told["superseded"] == [{"file": "node_01.json", "hostname": "sqdn-1", "by": "node_02.json"}]
    assert told["ok"] is True


def test_a_warning_holds_nobody_up(tmp_path: Path) -> None:
    document = default("sqdn-1", "10.0.0.1") | {"roles": ["Control", "gardener"]}
    (tmp_path / "node_01.json").write_text(json.dumps(document), encoding="utf-8")
    done = pinakactl(tmp_path, "validate", tmp_path)
    assert done.returncode == 0
    assert "warning     node_01.json /roles/1: " in done.stdout
    assert done.stdout.endswith("1 file, 1 node, 1 warning: good\n")


def test_a_draft_may_have_any_name(tmp_path: Path) -> None:
    draft = put(tmp_path / "draft of mine.txt", "sqdn-1", "10.0.0.1")
    done = pinakactl(tmp_path, "validate", draft)
    assert done.returncode == 0
    assert "draft of mine.txt  sqdn-1  10.0.0.1" in done.stdout


def test_a_draft_is_newer_than_every_numbered_file(tmp_path: Path) -> None:
    put(tmp_path / "nodes" / "node_999.json", "sqdn-1", "10.0.0.1")
    drafts = [put(tmp_path / name, "SQDN-1", "10.0.0.2") for name in ("z.json", "a.json")]
    told = json.loads(pinakactl(tmp_path, "validate", "--json", *drafts, tmp_path / "nodes").stdout)
    assert [node["file"] for node in told["nodes"]] == ["a.json"]
    assert {entry["file"]: entry["by"] for entry in told["superseded"]} == {
        "node_999.json": "a.json",
        "z.json": "a.json",
    }


def test_a_draft_is_checked_against_the_files_beside_it(tmp_path: Path) -> None:
    put(tmp_path / "nodes" / "node_01.json", "sqdn-1", "10.0.0.1")
    draft = put(tmp_path / "draft.json", "sqdn-2", "10.0.0.1")
    done = pinakactl(tmp_path, "validate", tmp_path / "nodes", draft)
    assert done.returncode == 1
    assert "sqdn-2 (draft.json) has the address of sqdn-1 (node_01.json)" in done.stdout


def test_a_file_comes_by_standard_input_too(tmp_path: Path) -> None:
    raw = json.dumps(default("sqdn-1", "10.0.0.1")).encode()
    done = pinakactl(tmp_path, "validate", "-", stdin=raw)
    assert (done.returncode, done.stdout.splitlines()[1].split()[:3]) == (0, ["stdin", "sqdn-1", "10.0.0.1"])
    done = pinakactl(tmp_path, "validate", "-", stdin=raw + b" " * (1 << 20))
    assert done.returncode == 1
    assert "stdin: cannot read the file as JSON" in done.stdout


def test_without_a_path_the_configured_folder_is_meant(tmp_path: Path) -> None:
    put(tmp_path / "nodes" / "node_01.json", "sqdn-1", "127.0.0.1")
    config = tmp_path / "pinakad.toml"
    config.write_text(f'[paths]\nnodes = "{tmp_path}/nodes"\n', encoding="utf-8")
    done = pinakactl(tmp_path, "--config", config, "validate")
    assert done.returncode == 1
    assert "error       node_01.json /using_interfaces: " in done.stdout
    with config.open("a", encoding="utf-8") as file:
        file.write("[ssh]\nallow_loopback = true\n")
    assert pinakactl(tmp_path, "--config", config, "validate").returncode == 0


def test_a_folder_without_any_node_file_is_no_good(tmp_path: Path) -> None:
    (tmp_path / "readme.json").write_text("{}", encoding="utf-8")
    done = pinakactl(tmp_path, "validate", tmp_path)
    assert done.returncode == 1
    assert "there is no node file" in done.stdout
    assert done.stderr == "pinakactl: 'readme.json' is ignored: a node file is named node_<digits>.json\n"
    assert json.loads(pinakactl(tmp_path, "validate", "--json", tmp_path).stdout)["ok"] is False


def test_a_link_is_refused_as_the_daemon_refuses_it(tmp_path: Path) -> None:
    put(tmp_path / "draft.json", "sqdn-1", "10.0.0.1")
    (tmp_path / "node_01.json").symlink_to("draft.json")
    done = pinakactl(tmp_path, "validate", tmp_path / "node_01.json")
    assert done.returncode == 1
    assert "node_01.json: a node file must be a regular file" in done.stdout


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    file = put(tmp_path / "nodes" / "node_01.json", "sqdn-1", "10.0.0.1")
    done = pinakactl(tmp_path, "validate", file.parent, file, "nodes/../nodes/node_01.json")
    assert done.stdout.endswith("1 file, 1 node: good\n")


@pytest.mark.parametrize("other", ["missing.json", "other/node_01.json"])
def test_what_cannot_be_meant_is_wrong_use(tmp_path: Path, other: str) -> None:
    for folder in ("nodes", "other"):
        put(tmp_path / folder / "node_01.json", "sqdn-1", "10.0.0.1")
    done = pinakactl(tmp_path, "validate", "nodes", other)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pinakactl: cannot ")
    assert len(done.stderr.splitlines()) == 1


def test_nothing_in_a_file_reaches_the_terminal_as_a_control_character_or_markup(tmp_path: Path) -> None:
    document = default("\x1b[2J[bold red]x[/]\u202e", "10.0.0.1")
    (tmp_path / "\x1b[2J[bold]\u202e.json").write_text(json.dumps(document), encoding="utf-8")
    done = pinakactl(tmp_path, "validate", *tmp_path.glob("*.json"), variables={"FORCE_COLOR": "1"})
    assert done.returncode == 1
    assert "\x1b[2J" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\\x1b[2J[bold]\\u202e.json" in done.stdout
