"""What does the operator want? Every setting, read once, with its unit in its name."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from pinakad.linux.files import NotRegularError, read_regular
from pinakad.polling.settings import PollSettings
from pinakad.printable import printable
from pinakad.tables import AbsolutePath, Network, ProvisionSettings, Table, WebSettings

DEFAULT_FILE = Path("/etc/pinakad/pinakad.toml")
DEFAULT_WORK_DIR = Path("/home/pinakasupport/.pinaka_wd")
DEFAULT_STATE_DIR = Path("/var/lib/pinakad")
_MAX_BYTES = 1 << 20
DEFAULT_RUNTIME_DIR = Path("/run/pinakad")
KEY_CREDENTIAL = "ps_key"
MAX_WORKERS = 64
_NO_CREDENTIAL_BYTES = 16  # the unit passes the text `none` where there is no key


class ConfigError(Exception):
    """The configuration cannot be used. The message has one line for each finding: file, key, value, rule."""


class PathSettings(Table):
    """The table `[paths]`. What is not set lies under `work_dir`."""

    work_dir: AbsolutePath = Field(DEFAULT_WORK_DIR, description="the folder that everything below is in")
    nodes: AbsolutePath | None = Field(None, description="the node files; default work_dir/cluster/nodes")
    markers: AbsolutePath | None = Field(
        None, description="request and answer; default work_dir/.markers/deplyment_status"
    )
    script: AbsolutePath | None = Field(
        None, description="the deployment script; default work_dir/.scripts/deployment_service.sh"
    )


class ScriptSettings(Table):
    """The table `[script]`: how the deployment script is run."""

    launch: bool = Field(True, description="false: somebody else starts the script, pinakad only watches the nodes")
    runner: Literal["subprocess", "systemd"] = Field(
        "subprocess", description="systemd: in a unit of its own; the shipped unit sets it"
    )
    output: Literal["file", "journal", "null"] = Field("file", description="where its output goes")
    log_max_bytes: int = Field(64 * 1024 * 1024, ge=0, description="script.log ends there; what follows is dropped")
    timeout_s: float = Field(3600, gt=0, le=7 * 86400, description="from the launch until the script is ended")
    foreign: Literal["adopt", "refuse"] = Field(
        "adopt",
        description="where somebody else runs the script already: wait for that run's end, or answer "
        "script_already_running",
    )


class SshSettings(Table):
    """The table `[ssh]`: how nodes are logged in to."""

    user: str = Field("pinakasupport", min_length=1, max_length=64, description="who logs in")
    key: AbsolutePath | None = Field(None, description="the private key; default work_dir/key/ps_key.pem")
    port: int = Field(22, ge=1, le=65535, description="where sshd listens")
    host_keys: Literal["replace", "accept-new", "strict", "off"] = Field(
        "replace", description="what a host key that is new or has changed means"
    )
    known_hosts: AbsolutePath | None = Field(None, description='the operator\'s file for host_keys = "strict"')
    allow_loopback: bool = Field(False, description="poll addresses of 127.0.0.0/8, for rehearsals")
    connect_timeout_s: float = Field(5, gt=0, le=600, description="until the TCP connection stands")
    banner_timeout_s: float = Field(30, gt=0, le=600, description="from there until the SSH banner")
    auth_timeout_s: float = Field(15, gt=0, le=600, description="key exchange and login")
    command_timeout_s: float = Field(30, gt=0, le=3600, description="all commands of an attempt")
    reach_networks: list[Network] | None = Field(
        None,
        description="where anybody who may ask for deployments may have a login tried; default the subnets of the "
        "node files",
    )
    workers: int | Literal["auto"] = Field(
        "auto", description="processes that log in, at most; auto: as many as there are processors, at most 8"
    )

    @field_validator("workers")
    @classmethod
    def _some_workers(cls, workers: int | str) -> int | str:
        if isinstance(workers, int) and not 1 <= workers <= MAX_WORKERS:
            raise ValueError(f'must be "auto", or a number from 1 to {MAX_WORKERS}')
        return workers

    @model_validator(mode="after")
    def _strict_needs_a_file(self) -> "SshSettings":
        if self.host_keys == "strict" and self.known_hosts is None:
            raise ValueError('host_keys = "strict" needs known_hosts, the file with the keys')
        return self

    @property
    def attempt_limit_s(self) -> float:
        """The most that one attempt may take, in seconds."""
        return self.connect_timeout_s + self.banner_timeout_s + self.auth_timeout_s + self.command_timeout_s


class HistorySettings(Table):
    """The table `[history]`."""

    keep: int = Field(100, ge=1, le=100_000, description="finished deployments that are kept")


class MetricsSettings(Table):
    """The table `[metrics]`."""

    textfile: AbsolutePath | None = Field(None, description="a .prom file for node_exporter's textfile collector")


class LogSettings(Table):
    """The table `[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is less is not logged")


class Config(Table):
    """All settings. A missing table or key has its default."""

    paths: PathSettings = PathSettings()
    script: ScriptSettings = ScriptSettings()
    ssh: SshSettings = SshSettings()
    poll: PollSettings = PollSettings()
    history: HistorySettings = HistorySettings()
    metrics: MetricsSettings = MetricsSettings()
    log: LogSettings = LogSettings()
    web: WebSettings = WebSettings()
    provision: ProvisionSettings = ProvisionSettings()

    @property
    def nodes_dir(self) -> Path:
        """The folder with the node files."""
        return self.paths.nodes or self.paths.work_dir / "cluster" / "nodes"

    @property
    def markers_dir(self) -> Path:
        """The folder of requests and answers; its spelling is historic and must stay."""
        return self.paths.markers or self.paths.work_dir / ".markers" / "deplyment_status"

    @property
    def script_path(self) -> Path:
        """The deployment script."""
        return self.paths.script or self.paths.work_dir / ".scripts" / "deployment_service.sh"

    @property
    def key_path(self) -> Path:
        """The SSH private key."""
        return self.ssh.key or self.paths.work_dir / "key" / "ps_key.pem"


def readable_key(config: Config, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the path to read the key from: its own, or that of systemd's credential where only root can read its own.

    $CREDENTIALS_DIRECTORY (systemd.exec(5)) is set in the unit only.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    credential = Path(folder, KEY_CREDENTIAL)
    if not folder or os.access(config.key_path, os.R_OK):
        return config.key_path
    try:
        has_key = credential.stat().st_size > _NO_CREDENTIAL_BYTES
    except OSError:
        has_key = False
    return credential if has_key else config.key_path


def config_file(option: Path | None, environ: Mapping[str, str] = os.environ) -> tuple[Path, bool]:
    """Return the configuration file (`--config`, $PINAKAD_CONFIG or the default) and whether it was named."""
    if option is not None:
        return option, True
    if environ.get("PINAKAD_CONFIG"):
        return Path(environ["PINAKAD_CONFIG"]), True
    return DEFAULT_FILE, False


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state folder: the first one of $STATE_DIRECTORY (systemd.exec(5)), else the default."""
    return Path(environ.get("STATE_DIRECTORY", "").split(":")[0] or DEFAULT_STATE_DIR)


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder of status.json: the first one of $RUNTIME_DIRECTORY (systemd.exec(5)), else the default."""
    return Path(environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or DEFAULT_RUNTIME_DIR)


def load(option: Path | None = None, environ: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration. A missing default file is no error. Raises ConfigError with every finding."""
    path, named = config_file(option, environ)
    try:
        raw = read_regular(path.resolve(), _MAX_BYTES)
        text = raw.decode("utf-8")
    except FileNotFoundError:
        if named:
            raise ConfigError(f"cannot read the configuration '{path}': no such file") from None
        return Config()
    except NotRegularError:
        raise ConfigError(f"cannot read the configuration '{path}': it is no regular file") from None
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"cannot read the configuration '{path}': {cause.lower()}") from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError(f"cannot read the configuration '{path}': it has more than {_MAX_BYTES} bytes")
    return parse(text, str(path))


def parse(text: str, name: str) -> Config:
    """Parse a configuration in TOML; messages name the file `name`. Raises ConfigError with every finding."""
    try:
        return Config.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigError("\n".join(_findings(error, name))) from None
    except (ValueError, RecursionError) as error:  # the parser raises its own error and some of Python's
        raise ConfigError(f"cannot read the configuration '{name}': {str(error).lower()}") from None


def require_same_paths(old: Config, new: Config) -> None:
    """Raise ConfigError where keys under `[paths]` differ: they cannot change while the daemon runs."""
    before, after = old.paths.model_dump(), new.paths.model_dump()
    moved = [f"paths.{key}" for key in before if before[key] != after[key]]
    if moved:
        raise ConfigError(f"cannot change {', '.join(moved)} while the daemon runs: restart it")


def _findings(error: ValidationError, name: str) -> Iterator[str]:
    for finding in error.errors(include_url=False):
        key = printable(".".join(str(part) for part in finding["loc"]))
        if finding["type"] == "extra_forbidden":
            yield f"{name}: unknown key '{key}'; known are {', '.join(_siblings(finding['loc']))}"
        else:
            rule = finding["msg"].removeprefix("Value error, ")
            rule = rule[0].lower() + rule[1:]
            found = "" if isinstance(finding["input"], dict) else f" = {_shown(finding['input'])}"
            yield f"{name}: cannot use '{key}'{found}: {rule}"


def _siblings(loc: tuple[str | int, ...]) -> list[str]:
    table: type[BaseModel] = Config
    for part in loc[:-1]:
        field = table.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            break
        table = field.annotation
    return sorted(table.model_fields)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str | int | float | bool) else type(value).__name__
    return text if len(text) <= 100 else text[:97] + "..."  # noqa: PLR2004 - one line of a terminal
