"""Are the files that systemd reads what the code says?"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pinakad.cli.install.installation import (
    folders,
    known_places,
    paths_drop_in,
    shipped,
    tmpfiles_text,
    wanted_files,
    web_drop_in,
)
from pinakad.config import KEY_CREDENTIAL, Config, parse
from pinakad.daemon.startup import EXIT_CONFIG, EXIT_READ_ONLY, EXIT_SECOND_INSTANCE, READ_ONLY_WAIT_S
from pinakad.events import Event
from pinakad.generate.catalog import catalog_text
from pinakad.script.processes import TERM_S


def settings(text: str) -> Config:
    return parse(text, "pinakad.toml")


def test_the_shipped_catalog_is_what_the_events_say() -> None:
    assert shipped("pinakad.catalog") == catalog_text()


def test_the_catalog_explains_every_event_once() -> None:
    ids = re.findall(r"^-- ([0-9a-f]{32})$", catalog_text(), re.MULTILINE)
    assert ids == [event.value.message_id for event in Event]
    assert len(set(ids)) == len(ids)


def test_the_shipped_folders_are_those_of_the_default_paths() -> None:
    assert shipped("pinakad.tmpfiles") == tmpfiles_text(Config())


def test_the_shipped_sandbox_fits_the_default_paths() -> None:
    assert paths_drop_in(Config()) == ""
    unit = shipped("pinakad.service")
    assert f"BindReadOnlyPaths=-{Config().paths.work_dir}\n" in unit
    assert f"BindPaths=-{Config().markers_dir.parent}\n" in unit


def test_every_setting_of_the_example_is_one_and_has_its_default() -> None:
    example = shipped("pinakad.toml")
    active = re.sub(r"^# (\w+ = )", r"\1", example, flags=re.MULTILINE)
    defaults = Config().model_dump()
    written = settings(active).model_dump()
    explained = {"nodes", "markers", "script", "key", "textfile"}  # shown with the path that follows from others
    for table, values in defaults.items():
        for name, value in values.items():
            assert name in explained or written[table][name] == value, f"{table}.{name}"


def test_the_front_doors_sandbox_fits_the_default_paths_and_follows_others() -> None:
    assert web_drop_in(Config()) == ""
    unit = shipped("pinakad-web.service")
    assert f"BindPaths=-{Config().nodes_dir.parent}\n" in unit
    assert f"BindPaths=-{Config().markers_dir.parent}\n" in unit
    other = web_drop_in(settings('[paths]\nnodes = "/srv/nodes/all"'))
    assert "BindPaths=\nBindPaths=-/srv/nodes\n" in other


def test_the_unit_knows_the_exit_codes_that_a_restart_does_not_mend() -> None:
    line = f"RestartPreventExitStatus={EXIT_SECOND_INSTANCE} {EXIT_CONFIG}\n"
    assert line in shipped("pinakad.service")
    assert EXIT_READ_ONLY not in (EXIT_SECOND_INSTANCE, EXIT_CONFIG)
    burst = int(re.findall(r"^StartLimitBurst=(\d+)$", shipped("pinakad.service"), re.MULTILINE)[0])
    assert "StartLimitIntervalSec=5min\n" in shipped("pinakad.service")
    assert burst > 300 / READ_ONLY_WAIT_S


def test_systemd_has_more_patience_with_the_script_than_the_supervisor() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", shipped("pinakad-script@.service"), re.MULTILINE)
    assert found is not None
    assert int(found[1]) >= TERM_S + 5


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ('[paths]\nwork_dir = "/srv/p"\n', ["BindReadOnlyPaths=-/srv/p", "BindPaths=-/srv/p/.markers"]),
        (
            '[ssh]\nkey = "/home/admin/key.pem"\n',
            ["BindReadOnlyPaths=-/home/pinakasupport/.pinaka_wd", "BindReadOnlyPaths=-/home/admin/key.pem"],
        ),
        ('[metrics]\ntextfile = "/var/lib/node/p.prom"\n', ["BindPaths=-/var/lib/node"]),
    ],
)
def test_the_sandbox_is_opened_for_paths_of_ones_own(text: str, lines: list[str]) -> None:
    drop_in = paths_drop_in(settings(text)).splitlines()
    assert drop_in[2] == "BindPaths="
    assert [line for line in lines if line not in drop_in[3:]] == []


def test_a_key_outside_hidden_folders_needs_no_opening_and_is_handed_over() -> None:
    drop_in = paths_drop_in(settings('[ssh]\nkey = "/etc/pinakad/key.pem"\n')).splitlines()
    assert "LoadCredential=ps_key:/etc/pinakad/key.pem" in drop_in
    assert not [line for line in drop_in if line.startswith("Bind") and "/etc" in line]
    assert paths_drop_in(settings('[ssh]\nkey = "/run/credentials/pinakad.service/ps_key"\n')) == ""


def test_the_unit_hands_over_the_key_of_the_default_paths() -> None:
    assert f"LoadCredential={KEY_CREDENTIAL}:{Config().key_path}\n" in shipped("pinakad.service")


def test_the_way_to_the_script_belongs_to_root_and_producers_share_the_rest() -> None:
    owners = {str(path.relative_to("/home/pinakasupport")): user for path, _, user, _ in folders(Config())}
    assert owners == {
        ".": "root",
        ".pinaka_wd": "root",
        ".pinaka_wd/.scripts": "root",
        ".pinaka_wd/key": "root",
        ".pinaka_wd/cluster": "root",
        ".pinaka_wd/cluster/nodes": "pinakasupport",
        ".pinaka_wd/.markers": "pinakasupport",
        ".pinaka_wd/.markers/deplyment_status": "pinakasupport",
    }


def test_the_installed_units_run_the_python_of_this_environment() -> None:
    files = wanted_files(Config(), Path("/"), "root", web=True)
    assert set(files) <= set(known_places())
    unit = files[Path("etc/systemd/system/pinakad.service")]
    assert f"ExecStart={sys.prefix}/bin/python -I -X faulthandler -m pinakad --runner systemd\n" in unit


def test_check_tells_what_is_wrong_with_a_configuration_and_exits_so(tmp_path: Path) -> None:
    file = tmp_path / "pinakad.toml"
    check = [sys.executable, "-m", "pinakad", "--config", str(file), "--check"]
    file.write_text("[poll]\ninterval_s = 3\n", encoding="utf-8")
    good = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    file.write_text("[pol]\n", encoding="utf-8")
    bad = subprocess.run(check, capture_output=True, text=True, check=False)
    assert bad.returncode == EXIT_CONFIG
    assert "unknown key 'pol'" in bad.stderr
