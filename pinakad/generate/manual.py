"""Generates the manual pages from the programs: help, options, and the model of the configuration."""

from collections.abc import Iterator
from typing import Any

import click
from pydantic import BaseModel

from pinakad.cli import program as cli
from pinakad.config import Config
from pinakad.daemon.options import options_of, parser
from pinakad.generate import manual_text, manual_web, roff
from pinakad.web import startup as front_door
from pinakad.web.table import API, TABLE

PAGES = ("pinakad.8", "pinakactl.1", "pinakad.toml.5", "pinakad-web.8")


def pages() -> dict[str, str]:
    """Return the manual pages: file name -> content in man(7)."""
    texts = (_pinakad(), _pinakactl(), _configuration(), _front_door())
    return {name: roff.page(name, lines) for name, lines in zip(PAGES, texts, strict=True)}


# --- the daemon


def _pinakad() -> Iterator[str]:
    yield from roff.name("pinakad", "owns a bare-metal deployment from its request to a verdict that can be trusted")
    yield from roff.section("Synopsis")
    words = (name if metavar is None else f"{name} {metavar}" for name, metavar, _ in options_of(parser()))
    yield from roff.usage("pinakad", (f"[{word}]" for word in words))
    yield from roff.section("Description", manual_text.PINAKAD)
    yield from roff.section("Options")
    for name, metavar, text in options_of(parser()):
        yield from roff.item(name, metavar, text)
    for title, entries in manual_text.PINAKAD_SECTIONS.items():
        yield from roff.section(title)
        for name, text in entries:
            yield from roff.item(name, None, text)
    yield from roff.see_also("pinakactl(1)", "pinakad.toml(5)", "systemd.unit(5)", "journalctl(1)")


# --- the front door


def _front_door() -> Iterator[str]:
    yield from roff.name("pinakad-web", "the front door of pinakad: an interface over HTTP, and a page")
    yield from roff.section("Synopsis")
    found = list(options_of(front_door.parser()))
    words = (name if metavar is None else f"{name} {metavar}" for name, metavar, _ in found)
    yield from roff.usage("pinakad-web", (f"[{word}]" for word in words))
    yield from roff.section("Description", manual_web.PINAKAD_WEB)
    yield from roff.section("Options")
    for name, metavar, text in found:
        yield from roff.item(name, metavar, text)
    yield from roff.section("Interface", manual_web.INTERFACE)
    for row in TABLE:
        yield from roff.item(f"{row.method} {API}{row.path}", None, row.about)
    for title, entries in manual_web.SECTIONS.items():
        yield from roff.section(title)
        for name, text in entries:
            yield from roff.item(name, None, text)
    yield from roff.see_also("pinakad(8)", "pinakactl(1)", "pinakad.toml(5)", "systemd.socket(5)")


# --- the program for people


def _pinakactl() -> Iterator[str]:
    program = cli.pinakactl
    yield from roff.name("pinakactl", "see and steer the deployments of pinakad")
    yield from roff.section("Synopsis")
    yield from roff.usage("pinakactl", ("[OPTIONS]", "COMMAND", "[ARGS]..."))
    yield from roff.section("Description", program.help or "")
    yield from roff.section("Options")
    yield from _options(program)
    yield from roff.section("Commands")
    context = click.Context(program)
    for name in program.list_commands(context):
        command = program.get_command(context, name)
        if command is not None:
            yield from _command(f"pinakactl {name}", command)
    for title, entries in manual_text.PINAKACTL_SECTIONS.items():
        yield from roff.section(title)
        for name, text in entries:
            yield from roff.item(name, None, text)
    yield from roff.see_also("pinakad(8)", "pinakad.toml(5)", "journalctl(1)")


def _command(path: str, command: click.Command) -> Iterator[str]:
    arguments = [_argument(found) for found in command.params if isinstance(found, click.Argument)]
    yield from roff.subsection(" ".join([path, "[OPTIONS]", *arguments]))
    yield from roff.text(command.help or "")
    yield from _options(command)
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _command(f"{path} {name}", below)


def _options(command: click.Command) -> Iterator[str]:
    for found in command.params:
        if isinstance(found, click.Option) and not found.hidden:
            shown = found.default if found.show_default else None
            default = "" if shown is None else f" Default: {shown}."
            yield from roff.item(
                ", ".join((*found.opts, *found.secondary_opts)), _metavar(found), f"{found.help}{default}"
            )


def _argument(found: click.Argument) -> str:
    if found.metavar:
        return found.metavar
    name = (found.name or "").upper() + ("..." if found.nargs != 1 else "")
    return name if found.required else f"[{name}]"


def _metavar(found: click.Option) -> str | None:
    if found.is_flag or found.count:
        return None
    if isinstance(found.type, click.Choice):
        return found.metavar or "|".join(map(str, found.type.choices))
    return found.metavar or found.type.name.upper()


# --- the configuration


def _configuration() -> Iterator[str]:
    yield from roff.name("pinakad.toml", "the configuration of pinakad")
    yield from roff.section("Synopsis", "/etc/pinakad/pinakad.toml")
    yield from roff.section("Description", manual_text.CONFIGURATION)
    for table, field in Config.model_fields.items():
        yield from _table(table, type(field.default))
    yield from roff.section("Examples", manual_text.CONFIGURATION_EXAMPLE)
    yield from roff.see_also("pinakad(8)", "pinakactl(1)")


def _table(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield from roff.section(f"[{name}]", _about_table(model.__doc__ or ""))
    below = {key: type(field.default) for key, field in model.model_fields.items()}
    for key, schema in model.model_json_schema()["properties"].items():
        if not issubclass(below[key], BaseModel):
            yield from roff.item(key, None, schema.get("description", ""), _allowed(schema))
    for key, kind in below.items():
        if issubclass(kind, BaseModel):
            yield from _table(f"{name}.{key}", kind)


def _about_table(text: str) -> str:
    """Return a model's docstring without the table's name in front, which is in the heading."""
    _, _, rest = text.strip().partition("]`")
    rest = rest.lstrip(".: ")
    return f"{rest[:1].upper()}{rest[1:]}"


def _allowed(schema: dict[str, Any]) -> str:
    """Return the values that a key may have, and its default, as text."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    parts = [" or ".join(_kind_text(kind) for kind in kinds)]
    if schema.get("default") not in (None, []):
        parts.append(f"default {_toml(schema['default'])}")
    return "; ".join(parts)


def _kind_text(kind: dict[str, Any]) -> str:
    if "enum" in kind:
        return ", ".join(map(_toml, kind["enum"]))
    if kind.get("format") == "path":
        return "an absolute path"
    if kind["type"] == "array":
        return "a list of texts"
    text = {"string": "a text", "integer": "an integer", "number": "a number", "boolean": "true or false"}[kind["type"]]
    low, high = kind.get("minimum"), kind.get("maximum")
    above = kind.get("exclusiveMinimum")
    bounds = [
        f"at least {low}" if low is not None else "",
        f"more than {above}" if above is not None else "",
        f"at most {high}" if high is not None else "",
    ]
    return " ".join([text, *filter(None, bounds)])


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
