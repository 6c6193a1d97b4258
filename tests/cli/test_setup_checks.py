"""Is everything that starts the script itself found, and nothing else?"""

from pathlib import Path

import pytest

from pinakad.cli.install.backends import find_backends

SCRIPT = Path("/home/pinakasupport/.pinaka_wd/.scripts/deployment_service.sh")
UNIT = "etc/systemd/system/web.service"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Give a machine with a web back end that has nothing to do with the script."""
    write(tmp_path, UNIT, "[Service]\nExecStart=/usr/bin/python3 /opt/web/app.py --port=80\n")
    write(tmp_path, "opt/web/app.py", "serve()\n")
    return tmp_path


def write(image: Path, place: str, text: str) -> None:
    path = image / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_machine_without_such_a_thing_has_none(image: Path) -> None:
    assert list(find_backends(image, SCRIPT)) == []


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (UNIT, f"[Service]\nExecStart=/bin/bash {SCRIPT}\n"),
        ("usr/lib/systemd/system/deploy.service", f"[Service]\nExecStart=-/bin/sh -c 'exec {SCRIPT}'\n"),
        ("etc/cron.d/deploy", f"* * * * * root {SCRIPT}\n"),
        ("etc/crontab", f"@reboot root bash {SCRIPT}\n"),
        ("etc/init.d/deploy", f"#!/bin/sh\n{SCRIPT} &\n"),
    ],
)
def test_a_job_that_names_the_script_is_found(image: Path, place: str, text: str) -> None:
    write(image, place, text)
    assert list(find_backends(image, SCRIPT)) == [f"'{image / place}' names 'deployment_service.sh'"]


def test_a_program_of_a_unit_that_names_the_script_is_found(image: Path) -> None:
    write(image, "opt/web/app.py", "Popen(['bash', HOME + '/.scripts/deployment_service.sh'])\n")
    found = list(find_backends(image, SCRIPT))
    assert found == [f"'{image / UNIT}' runs '{image / 'opt/web/app.py'}', which names 'deployment_service.sh'"]


@pytest.mark.parametrize(
    "unit",
    [
        "WorkingDirectory=/opt/back\nExecStart=/usr/bin/gunicorn app:app\n",
        "ExecStart=/usr/bin/gunicorn --chdir /opt/back app:app\n",
        "ExecStart=/usr/bin/gunicorn --chdir=/opt/back app:app\n",
        "WorkingDirectory=-/opt/back\nExecStart=/usr/bin/python3 app.py\n",
        "ExecStart=/bin/sh -c 'cd /opt/back && exec python3 app.py'\n",
        "ExecStart=/bin/sh -c \"cd '/opt/back'; ./app.py\"\n",
        "ExecStart=/opt/start\n",
        "ExecStart=/opt/start.sh\n",
        "WorkingDirectory=/opt/starters\nExecStart=/bin/sh up.sh\n",
    ],
)
@pytest.mark.parametrize("file", ["app.py", "web/jobs/runner.py"])
def test_a_back_end_that_is_started_in_its_folder_is_found(image: Path, unit: str, file: str) -> None:
    write(image, UNIT, f"[Service]\n{unit}")
    write(image, f"opt/back/{file}", "Popen(['bash', HOME + '/.scripts/deployment_service.sh'])\n")
    for starter in ("opt/start", "opt/start.sh", "opt/starters/up.sh"):
        write(image, starter, "#!/bin/sh\ncd /opt/back\nexec gunicorn app:app\n")
    found = list(find_backends(image, SCRIPT))
    assert found == [f"'{image / UNIT}' runs '{image / 'opt/back' / file}', which names 'deployment_service.sh'"]


@pytest.mark.parametrize("file", ["venv/lib/x.py", "README.md", ".git/hook.py", "a/b/c/d/e.py"])
def test_what_is_no_program_of_the_back_end_is_not_read(image: Path, file: str) -> None:
    write(image, UNIT, "[Service]\nWorkingDirectory=/opt/back\nExecStart=/usr/bin/gunicorn app:app\n")
    write(image, f"opt/back/{file}", "deployment_service.sh\n")
    assert list(find_backends(image, SCRIPT)) == []


@pytest.mark.parametrize(
    "text",
    [
        "# deployment_service.sh was here\n",
        "run('other_deployment_service.sh')\n",
        "run('deployment_service.sh-old')\n",
    ],
)
def test_what_only_looks_like_it_is_not_found(image: Path, text: str) -> None:
    write(image, "opt/web/app.py", text)
    assert list(find_backends(image, SCRIPT)) == []


def test_our_own_files_are_not_a_back_end(image: Path) -> None:
    write(image, "etc/systemd/system/pinakad.service.d/10-paths.conf", f"BindReadOnlyPaths=-{SCRIPT}\n")
    write(image, "etc/systemd/system/pinakad-script@.service", f"# {SCRIPT}\nExecStart={SCRIPT}\n")
    assert list(find_backends(image, SCRIPT)) == []


@pytest.mark.parametrize("link", ["etc/cron.d", "etc/cron.d/back-end", "opt/back-end", "opt/back-end/run.py"])
def test_an_absolute_link_in_an_image_leads_into_the_image_and_not_to_this_machine(
    image: Path, tmp_path: Path, link: str
) -> None:
    host = tmp_path / "host"
    texts = {
        "etc/cron.d/back-end": "* * * * * root cd /opt/back-end && python3 run.py\n",
        "opt/back-end/run.py": "pass",
    }
    for name, text in texts.items():
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_text(text, encoding="utf-8")
    (image / link).rename(tmp_path / "moved")
    (image / link).symlink_to(host)
    assert list(find_backends(image, SCRIPT)) == []
    if (tmp_path / "moved").is_dir():
        host.mkdir()
        for name in ("back-end", "run.py"):
            (host / name).write_text(f"exec {SCRIPT}\n", encoding="utf-8")
    else:
        host.write_text(f"exec {SCRIPT}\n", encoding="utf-8")
    assert list(find_backends(image, SCRIPT)) == []
    inside = image / str(host).lstrip("/")
    inside.parent.mkdir(parents=True)
    host.rename(inside)
    assert list(find_backends(image, SCRIPT)) != []
