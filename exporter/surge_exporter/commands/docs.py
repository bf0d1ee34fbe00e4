"""What the docs are generated from, read off the program itself: commands, settings."""

import json
from collections.abc import Iterator

import click
import msgspec
from msgspec import inspect

from surge_exporter.config import Config
from surge_exporter.render.docs import Setting


def helps(root: click.Context) -> dict[str, str]:
    """Return each command's help as a terminal of 99 columns shows it."""
    parent = click.Context(
        root.command,
        info_name="surge-exporter",
        terminal_width=99,
        help_option_names=root.help_option_names,
    )
    return dict(_helps_under(parent, ()))


def _helps_under(parent: click.Context, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the help of every command of a group, and of those under them."""
    if not isinstance(parent.command, click.Group):
        return
    for name, command in parent.command.commands.items():
        context = click.Context(command, parent=parent, info_name=name, terminal_width=99)
        yield " ".join((*path, name)), command.get_help(context)
        yield from _helps_under(context, (*path, name))


def settings(kind: type[msgspec.Struct] = Config, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield every setting of a section; single ones first, then its sections."""
    sections = []
    for field in msgspec.structs.fields(kind):
        if isinstance(field.default, msgspec.Struct):
            sections.append((type(field.default), (*path, field.name)))
            continue
        default = field.default
        if default is msgspec.NODEFAULT:
            default = field.default_factory()
        yield Setting((*path, field.name), _as_yaml(default), _about(field.type))
    for section, where in sections:
        yield from settings(section, where)


def _about(annotation: object) -> str:
    """Return the description in an annotation, also of an optional setting."""
    info = inspect.type_info(annotation)
    options = info.types if isinstance(info, inspect.UnionType) else (info,)
    for option in options:
        if isinstance(option, inspect.Metadata) and option.extra_json_schema:
            return str(option.extra_json_schema.get("description", ""))
    return ""


def _as_yaml(value: object) -> str:
    """Return a default in YAML's flow style, which JSON is."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)
