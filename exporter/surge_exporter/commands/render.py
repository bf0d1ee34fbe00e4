"""`render`: the files that come from the tables, and whether they are fresh."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import msgspec
from msgspec import inspect

from surge_exporter.commands.choices import choices
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.commands.prose import prose
from surge_exporter.config import Config
from surge_exporter.render.alertmanager import (
    AUTOMATION_URL,
    PAGER_URL,
    TICKETS_URL,
    alertmanager_files,
)
from surge_exporter.render.docs import (
    Setting,
    commands_page,
    fill,
    metrics_page,
    sample_config,
    signals_table,
)
from surge_exporter.render.rules import rule_files
from surge_exporter.render.runbooks import RunbookError, runbook_files
from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import ChoiceError, Choices
from surge_exporter.rules.inhibitions import muted_by

_Command = Callable[..., None]


@click.group()
def render() -> None:
    """Write the files that are generated from the tables in the code."""


def _output(
    default: str, help_text: str, *, exists: bool = False
) -> Callable[[_Command], _Command]:
    """Give a command the options of where to write, and whether."""

    def decorate(command: _Command) -> _Command:
        kind = click.Path(path_type=Path, file_okay=False, exists=exists)
        check = click.option(
            "--check", is_flag=True, help="Write nothing; exit with 1 if a file is stale."
        )
        out = click.option("--out", type=kind, default=default, show_default=True, help=help_text)
        return out(check(command))

    return decorate


@render.command()
@_output("rules", "The folder to write into.")
@choices
def rules(*, out: Path, check: bool, choices: Choices) -> None:
    """Write recording rules and alerts for Prometheus, vmalert, Thanos and Mimir."""
    try:
        files = rule_files(choices)
    except ChoiceError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _write_or_check("rules", files, out, check=check)


@render.command()
@_output("deploy/alertmanager", "The folder to write into.")
@choices
@click.option("--automation-url", default=AUTOMATION_URL, show_default=True, help="A webhook.")
@click.option("--pager-url", default=PAGER_URL, show_default=True, help="A webhook.")
@click.option("--tickets-url", default=TICKETS_URL, show_default=True, help="A webhook.")
def alertmanager(*, out: Path, check: bool, choices: Choices, **urls: str) -> None:
    """Write routes, receivers, inhibitions and the template for Alertmanager."""
    _write_or_check("alertmanager", alertmanager_files(choices, **urls), out, check=check)


@render.command()
@_output("rules/runbooks", "The folder to write into.")
@choices
def runbooks(*, out: Path, check: bool, choices: Choices) -> None:
    """Write a runbook for every alert, as the choices have it."""
    try:
        alerts = every_alert(choices)
        files = runbook_files(choices, alerts, prose(), muted_by=muted_by(choices))
    except (ChoiceError, RunbookError) as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _write_or_check("runbooks", files, out, check=check)


@render.command()
@_output(".", "The checkout to write into.", exists=True)
@click.pass_context
def docs(context: click.Context, *, out: Path, check: bool) -> None:
    """Write the docs: signals, metrics, commands, the sample configuration."""
    root, path = context.find_root(), out / "README.md"
    try:
        readme = path.read_text(encoding="utf-8")
        files = {
            "README.md": fill(readme, {"signals": signals_table()}),
            "exporter/docs/metrics.md": metrics_page(),
            "exporter/docs/commands.md": commands_page(_helps(root)),
            "deploy/surge.yml": sample_config(tuple(_settings(Config))),
        }
    except OSError as error:
        raise Fault(f"expected a checkout with {path}: {error.strerror}", USAGE_ERROR) from error
    except ValueError as error:
        raise Fault(f"{path}: {error}", USAGE_ERROR) from error
    _write_or_check("docs", files, out, check=check)


def _write_or_check(part: str, files: Mapping[str, str], out: Path, *, check: bool) -> None:
    """Write the files that differ, or say which do.

    Raises:
        Fault: with `check`, a file is stale; or one can't be read or written.
    """
    try:
        stale = [name for name, text in files.items() if _read(out / name) != text]
        if check and stale:
            raise Fault(f"stale, run `surge-exporter render {part}`: {', '.join(stale)}")
        for name in stale:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(files[name], encoding="utf-8")
            click.echo(f"Wrote {out / name}", err=True)
    except OSError as error:
        raise Fault(f"{error.filename}: {error.strerror}") from error


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _helps(root: click.Context) -> dict[str, str]:
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


def _settings(kind: type[msgspec.Struct], path: tuple[str, ...] = ()) -> Iterator[Setting]:
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
        yield from _settings(section, where)


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
