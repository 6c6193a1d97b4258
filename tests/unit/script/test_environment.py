import os
import pwd
from pathlib import Path

from pinakad.script.environment import account, environment

NOBODYS_ID = 2_000_000_007


def test_the_script_runs_as_the_account_of_the_daemons_user(tmp_path: Path) -> None:
    user = pwd.getpwuid(os.getuid())
    found = environment("20261123T212455Z.0001", tmp_path / "nodes", tmp_path)
    assert (found["HOME"], found["USER"], found["LOGNAME"]) == (user.pw_dir, user.pw_name, user.pw_name)


def test_a_user_id_without_an_account_is_good_enough_to_run_the_script() -> None:
    assert account(NOBODYS_ID) == ("/", str(NOBODYS_ID), "/bin/sh")
