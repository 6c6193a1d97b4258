"""Which settings are in force, and where does each come from?"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from pinakad.cli.console.session import Session, pass_session
from pinakad.config import Config, config_file, runtime_dir, state_dir

_HELP = """Print every setting, its value, and where it came from.

\b
  pinakactl config
  pinakactl --config draft.toml config      would the daemon take this file?
  pinakactl config > pinakad.toml           a file with every setting, to start from
  pinakactl config --json | jq .settings.poll

The text is TOML that the daemon reads. Each line tells whether the value is the default or comes from the file; the
environment ($PINAKAD_CONFIG, $STATE_DIRECTORY, $RUNTIME_DIRECTORY) chooses the file and the daemon's own folders.

Exit code: 0, or 2 where the daemon would refuse the configuration.
"""


_COMMENT_COLUMN = 30


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: its effective value (None: there is none), its origin (`default` or `file`), and what it means."""

    table: str
    key: str
    value: Any
    origin: str
    about: str


@dataclass(frozen=True, slots=True)
class Place:
    """A path that is no setting, and its origin (`option`, `environment` or `default`)."""

    name: str
    path: Path
    origin: str
    variable: str


@click.command(help=_HELP)
@click.option("--json", "as_json", is_flag=True, help="Print {places, settings} as JSON, each with `value` and `from`.")
@pass_session
def command(session: Session, *, as_json: bool) -> None:
    """Print the effective configuration."""
    found, around = list(settings_of(session.settings())), places(session.config, os.environ)
    click.echo(_json_text(found, around) if as_json else _toml_text(found, around), nl=False)


def settings_of(settings: Config) -> Iterator[Setting]:
    """Return every setting. Paths that depend on `paths.work_dir` are given as they are in force."""
    derived = {
        ("paths", "nodes"): settings.nodes_dir,
        ("paths", "markers"): settings.markers_dir,
        ("paths", "script"): settings.script_path,
        ("ssh", "key"): settings.key_path,
    }
    for name, table in _tables("", settings):
        for key, field in type(table).model_fields.items():
            value = derived.get((name, key), getattr(table, key))
            origin = "file" if key in table.model_fields_set else "default"
            if not isinstance(value, BaseModel):
                shown = str(value) if isinstance(value, Path) else value
                yield Setting(name, key, shown, origin, field.description or "")


def _tables(name: str, above: BaseModel) -> Iterator[tuple[str, BaseModel]]:
    """Return every table with its name, `web.compat` after `web`."""
    for key in type(above).model_fields:
        value = getattr(above, key)
        if isinstance(value, BaseModel):
            below = f"{name}.{key}".removeprefix(".")
            yield below, value
            yield from _tables(below, value)


def places(option: Path | None, environ: Mapping[str, str]) -> list[Place]:
    """Return where the file and the daemon's own folders are."""
    path, named = config_file(option, environ)
    origin = "option" if option is not None else "environment" if named else "default"
    folders = {"state": ("STATE_DIRECTORY", state_dir(environ)), "runtime": ("RUNTIME_DIRECTORY", runtime_dir(environ))}
    return [
        Place("file", path, origin, "PINAKAD_CONFIG"),
        *(
            Place(name, folder, "environment" if environ.get(variable) else "default", variable)
            for name, (variable, folder) in folders.items()
        ),
    ]


def _json_text(found: list[Setting], around: list[Place]) -> str:
    tables: dict[str, dict[str, Any]] = {}
    for setting in found:
        tables.setdefault(setting.table, {})[setting.key] = {"value": setting.value, "from": setting.origin}
    document = {
        "places": {place.name: {"value": str(place.path), "from": place.origin} for place in around},
        "settings": tables,
    }
    return json.dumps(document, indent=1) + "\n"


def _toml_text(found: list[Setting], around: list[Place]) -> str:
    lines = [_place_line(place) for place in around]
    table = ""
    for setting in found:
        if setting.table != table:
            table = setting.table
            lines += ["", f"[{table}]"]
        lines.append(_setting_line(setting))
    return "\n".join(lines) + "\n"


def _place_line(place: Place) -> str:
    origin = {"option": "--config", "environment": f"environment: ${place.variable}"}.get(place.origin, "default")
    missing = "" if place.path.exists() else "; it does not exist"
    return f"# {place.name:<8} {toml_value(str(place.path))}  ({origin}{missing})"


def _setting_line(setting: Setting) -> str:
    is_set = setting.value is not None
    line = f"{setting.key} = {toml_value(setting.value)}" if is_set else f"# {setting.key} ="
    about = f"; {setting.about}" if setting.about else ""
    return f"{line:<{_COMMENT_COLUMN}}  # {setting.origin if is_set else 'not set'}{about}"


def toml_value(value: str | float | list[str]) -> str:
    """Return a value as TOML 1.0 writes it. Only printable characters are in it."""
    if isinstance(value, list):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        return '"' + "".join(_toml_character(character) for character in value) + '"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if value == int(value) else repr(value)


def _toml_character(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"
