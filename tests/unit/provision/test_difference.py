"""Is what a dry run shows what would be different, and nothing else?"""

import subprocess
from pathlib import Path

from pinakad.provision.difference import COMMAND, MOST_LINES, differences, present_in


def test_files_are_read_as_they_are_and_their_differences_shown(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "hosts").write_text("127.0.0.1 localhost\n\x1b[31mred\n", encoding="utf-8")
    (tmp_path / "etc" / "gone file").write_text("old\n", encoding="utf-8")
    command = COMMAND.format(paths="etc/hosts 'etc/gone file' etc/none").replace("cd /", f"cd {tmp_path}")
    said = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True).stdout
    present = present_in(said)
    assert present == {"etc/hosts": "127.0.0.1 localhost\n\x1b[31mred\n", "etc/gone file": "old\n"}
    lines = differences(present, {"etc/hosts": "127.0.0.1 localhost\n", "etc/new": "new\n"})
    assert "+++ /dev/null" in lines
    assert "-old" in lines
    assert "+new" in lines
    assert not any("\x1b" in line for line in lines)
    assert differences({"etc/hosts": "a\n"}, {"etc/hosts": "a\n"}) == []


def test_what_a_node_prints_besides_is_left_out_and_there_is_an_end_of_it() -> None:
    assert present_in("Welcome!\netc/hosts bm90IGJhc2U2NA==\n x\n\n") == {"etc/hosts": "not base64"}
    assert len(differences({}, {"a": "line\n" * 10_000})) == MOST_LINES
