"""What a text in Markdown shows to type, and whether it can be typed."""

import re
import shlex
from collections.abc import Iterator

import click

from surge_exporter import cli

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")

_HELP = cli.main.context_settings["help_option_names"]


def fenced(text: str, language: str) -> Iterator[str]:
    """Yield the lines of all code blocks of a language."""
    for found, block in FENCE.findall(text):
        if found == language:
            yield from block.splitlines()


def commands(text: str) -> Iterator[list[str]]:
    """Yield each surge-exporter command, in blocks and in running text, as its words."""
    inline = INLINE.findall(FENCE.sub("", text))
    for line in (*fenced(text, "sh"), *inline):
        if line.startswith("surge-exporter "):
            yield shlex.split(line)[1:]
        elif line.startswith("render "):
            yield shlex.split(line)


def fault(words: list[str], group: click.Group = cli.main, path: str = "") -> str | None:
    """Return what is wrong with a command, as click would say it; nothing is run."""
    name, *rest = words
    path = f"{path} {name}".strip()
    command = group.commands.get(name)
    if command is None:
        return f"no such command: {path}"
    if isinstance(command, click.Group):
        return fault(rest, command, path) if rest else None
    try:
        context = click.Context(
            command, help_option_names=cli.main.context_settings["help_option_names"]
        )
        command.make_parser(context).parse_args(rest)
    except click.UsageError as error:
        return f"{path}: {error.message}"
    return None
