"""What all tables of the configuration are made of, and the tables of the programs beside the daemon."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")
_SHARE = re.compile(r"(100|[1-9][0-9]?)%")
_ORIGIN = re.compile(r"https?://" + _HOST.pattern)


class Table(BaseModel):
    """A table of the configuration: neither `true` nor "5" is a number, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _absolute(value: Path) -> Path:
    if not value.is_absolute() or "\0" in str(value):
        raise ValueError("must be an absolute path")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError('must be a host name or an address, with a port where it has one, as "ops.example:8443"')
    return value.lower()


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError('must be an origin: scheme and host, and nothing behind it, as "https://ops.example"')
    return value.lower()


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise ValueError(f'must be a network such as "10.0.0.0/24": {error}') from None


AbsolutePath = Annotated[Path, Strict(strict=False), AfterValidator(_absolute)]
Host = Annotated[str, AfterValidator(_host)]
Origin = Annotated[str, AfterValidator(_origin)]
Network = Annotated[str, AfterValidator(_network)]


class CompatSettings(Table):
    """The table `[web.compat]`: the endpoints of the back end that a front end of other software knows."""

    enabled: bool = Field(
        False, description="true: that front end sends no credentials, so whoever reaches the port may deploy"
    )
    origins: list[Origin] = Field(default=[], description="the origins of that front end's pages")
    after_failure: Literal["unknown", "false"] = Field(
        "unknown",
        description="what in_progress is after a failure: null, which that front end ignores, or false, "
        "which it takes for success",
    )
    check_networks: list[Network] | None = Field(
        None, description="addresses that it may ask about; default the subnets of the node files"
    )

    @model_validator(mode="after")
    def _enabled_needs_origins(self) -> "CompatSettings":
        if self.enabled and not self.origins:
            raise ValueError('enabled = true needs origins, such as ["https://ops.example"]')
        return self


class WebSettings(Table):
    """The table `[web]`: the front door, pinakad-web."""

    hosts: list[Host] = Field(
        default=[], description="host names under which it may be called, besides those of this machine's loopback"
    )
    origins: list[Origin] = Field(default=[], description="origins of other pages whose scripts may call it")
    token: AbsolutePath = Field(Path("/etc/pinakad/web-token"), description="the file with the token")
    certificate: AbsolutePath | None = Field(None, description="for an address that is not loopback: PEM, with chain")
    key: AbsolutePath | None = Field(None, description="the certificate's private key")
    compat: CompatSettings = CompatSettings()

    @model_validator(mode="after")
    def _certificate_and_key(self) -> "WebSettings":
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key belong together: set both, or none")
        return self


BondMode = Literal["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"]


class ProvisionSettings(Table):
    """The table `[provision]`: the shipped deployment program."""

    bond_mode: BondMode = Field(
        "active-backup", description="of every bond: node files name none, and a wrong 802.3ad is an outage"
    )
    vlan: Literal["tagged", "access"] = Field(
        "tagged", description="access: the switch port tags, and a node's interfaces do not"
    )
    waves: list[int | str] = Field(
        default=[1, "10%", "100%"],
        description="how many nodes are changed before the next ones, which wait until all are confirmed",
    )
    deadline_s: int = Field(
        300,
        ge=10,
        le=86400,
        description="from a node's boot until it goes back to its old network, unless it is confirmed",
    )

    @field_validator("waves")
    @classmethod
    def _sound_waves(cls, waves: list[int | str]) -> list[int | str]:
        for wave in waves:
            if not (isinstance(wave, int) and wave > 0) and not (isinstance(wave, str) and _SHARE.fullmatch(wave)):
                raise ValueError(f'{wave!r} must be a number of nodes, or a share such as "10%"')
        return waves
