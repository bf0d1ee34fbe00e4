"""`render`: the files that come from the tables, and whether they are fresh."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from surge_exporter.commands.choices import assigned, check_webhook, choices
from surge_exporter.commands.docs import helps, settings
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.commands.prose import prose
from surge_exporter.render.alertmanager import (
    AUTOMATION_URL,
    PAGER_URL,
    TICKETS_URL,
    alertmanager_files,
)
from surge_exporter.render.dashboards import dashboard_files
from surge_exporter.render.docs import (
    commands_page,
    fill,
    metrics_page,
    sample_config,
    signals_table,
)
from surge_exporter.render.kubernetes import KubernetesError, Placement, kubernetes_files
from surge_exporter.render.rules import rule_files
from surge_exporter.render.runbooks import RunbookError, runbook_files
from surge_exporter.rules.catalogue import every_alert
from surge_exporter.rules.choices import ChoiceError, Choices
from surge_exporter.rules.inhibitions import muted_by

_Command = Callable[..., None]

_RUNBOOK = re.compile(r"Surge[A-Za-z]+\.md")
_RULE_OBJECT = re.compile(r"prometheusrule-[a-z]+\.yaml")
"""What other choices write and these may not: an alert's runbook, a file's object."""
_MOST_OF_BANNER = 200


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
    _write_or_check("rules", rule_files(choices), out, check=check)


@render.command()
@_output("deploy/alertmanager", "The folder to write into.")
@choices
@click.option("--automation-url", default=AUTOMATION_URL, show_default=True, help="A webhook.")
@click.option("--pager-url", default=PAGER_URL, show_default=True, help="A webhook.")
@click.option("--tickets-url", default=TICKETS_URL, show_default=True, help="A webhook.")
def alertmanager(*, out: Path, check: bool, choices: Choices, **urls: str) -> None:
    """Write routes, receivers, inhibitions and the template for Alertmanager."""
    try:
        for name, url in urls.items():
            check_webhook(f"--{name.replace('_', '-')}", url)
    except ChoiceError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _write_or_check("alertmanager", alertmanager_files(choices, **urls), out, check=check)


@render.command()
@_output("dashboards", "The folder to write into.")
@choices
def dashboards(*, out: Path, check: bool, choices: Choices) -> None:
    """Write dashboards for Grafana 11 and later."""
    _write_or_check("dashboards", dashboard_files(choices), out, check=check)


@render.command()
@_output("deploy/kubernetes", "The folder to write into.")
@choices
@click.option("--name", default="surge-exporter", show_default=True, help="Of the Service.")
@click.option("--namespace", default="", help="Of all objects.  [default: kubectl's]")
@click.option(
    "--object-label",
    "object_labels",
    multiple=True,
    metavar="NAME=VALUE",
    help="Add a label to every object, like release=prometheus. Repeatable.",
)
@click.option("--port", default="http", show_default=True, help="The name of the Service's port.")
def k8s(
    *,
    out: Path,
    check: bool,
    choices: Choices,
    name: str,
    namespace: str,
    object_labels: tuple[str, ...],
    port: str,
) -> None:
    """Write rules, scraping and dashboards as Kubernetes objects."""
    boards = {file.removesuffix(".json"): text for file, text in dashboard_files(choices).items()}
    try:
        labels = assigned("--object-label", object_labels, str, "text")
        placement = Placement(name=name, namespace=namespace, labels=labels, port=port)
        files = kubernetes_files(rule_files(choices), boards, placement)
    except (ChoiceError, KubernetesError) as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _write_or_check("k8s", files, out, check=check, once=_RULE_OBJECT)


@render.command()
@_output("rules/runbooks", "The folder to write into.")
@choices
def runbooks(*, out: Path, check: bool, choices: Choices) -> None:
    """Write a runbook for every alert, as the choices have it."""
    try:
        alerts = every_alert(choices)
        files = runbook_files(choices, alerts, prose(), muted_by=muted_by(choices))
    except RunbookError as error:
        raise Fault(str(error), USAGE_ERROR) from error
    _write_or_check("runbooks", files, out, check=check, once=_RUNBOOK)


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
            "exporter/docs/commands.md": commands_page(helps(root)),
            "deploy/surge.yml": sample_config(tuple(settings())),
        }
    except OSError as error:
        raise Fault(f"expected a checkout with {path}: {error.strerror}", USAGE_ERROR) from error
    except ValueError as error:
        raise Fault(f"{path}: {error}", USAGE_ERROR) from error
    _write_or_check("docs", files, out, check=check)


def _write_or_check(
    part: str,
    files: Mapping[str, str],
    out: Path,
    *,
    check: bool,
    once: re.Pattern[str] | None = None,
) -> None:
    """Write the files that differ and remove those that are no more, or say which.

    `once` matches the names of files that only some choices generate. Without it nothing is
    removed: a part whose names are always the same leaves none behind, and a copy of its files
    under another name is somebody's own, banner and all.

    Raises:
        Fault: with `check`, a file is stale; or one can't be read, written or removed.
    """
    try:
        stale = [name for name, text in files.items() if _read(out / name) != text]
        left = [name for name in _left(part, out, once) if name not in files]
        if check and (stale or left):
            names = [*stale, *(f"{name} (no longer generated)" for name in left)]
            raise Fault(f"stale, run `surge-exporter render {part}`: {', '.join(names)}")
        for name in stale:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_text(files[name], encoding="utf-8")
            click.echo(f"Wrote {out / name}", err=True)
        for name in left:
            (out / name).unlink()
            click.echo(f"Removed {out / name}", err=True)
    except OSError as error:
        raise Fault(f"{error.filename}: {error.strerror}") from error


def _left(part: str, out: Path, once: re.Pattern[str] | None) -> Iterator[str]:
    """Yield the files there that this part generated, by their names and by what they say."""
    if once is None or not out.is_dir():
        return
    banner = re.compile(rf"(?:# |<!-- )Generated by `surge-exporter render {part}`")
    for path in sorted(out.iterdir()):
        if once.fullmatch(path.name) and path.is_file() and banner.match(_beginning(path)):
            yield path.name


def _beginning(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline(_MOST_OF_BANNER)


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
