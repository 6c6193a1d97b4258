"""Does setup install the shipped deployment program, and say what it needs?"""

import subprocess
from pathlib import Path

from pinakad.cli.install.provisioning import READY_COMMAND, missing_settings, provision_script
from pinakad.config import Config
from pinakad.polling.settings import PollSettings
from pinakad.provision.controller import why_not


def test_the_script_is_one_that_bash_accepts_and_runs_the_program(tmp_path: Path) -> None:
    script = tmp_path / "script.sh"
    script.write_text(provision_script(Path("/opt/pinakad")), encoding="utf-8")
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert 'exec /opt/pinakad/bin/pinakad-provision "$PINAKAD_NODES_DIR"' in script.read_text(encoding="utf-8")


def test_what_the_configuration_lacks_is_what_the_program_refuses_or_worse() -> None:
    bare = Config()
    assert [line.partition(" = ")[0].rpartition(" ")[2] for line in missing_settings(bare)] == [
        "ready_command",
        "reboot",
    ]
    assert why_not(bare)
    fit = Config(poll=PollSettings(ready_command=READY_COMMAND, reboot="require"))
    assert list(missing_settings(fit)) == []
    assert why_not(fit) == ""
