"""`models`: what the model server has, what would be best, and a switch by hand."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from surge_exporter import config_scaling
from surge_exporter.commands import options
from surge_exporter.commands.host import look, model_server
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config_scaling import ServerKind
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.modelling.manager import ModelManager
from surge_exporter.modelling.values import DeniedError
from surge_exporter.runtime.model_servers.protocol import ModelServer, ModelServerError
from surge_exporter.scaling.decisions import Inputs, Settings, State
from surge_exporter.scaling.preflight import Operation, Preflight, answer
from surge_exporter.scaling.resources import Sample
from surge_exporter.scaling.words import gib


@dataclass(frozen=True, slots=True)
class _World:
    """The server, the host at one instant, and a manager between them."""

    kind: ServerKind
    server: ModelServer
    settings: Settings
    sample: Sample
    serving: str | None = None
    loaded: tuple[str, ...] | None = None
    """The models in the server's memory; None where it can't say."""

    def check(self, model: str | None, operation: Operation = Operation.LOAD) -> Preflight:
        """Say whether a model may be loaded now; without a name, which is best."""
        inputs = Inputs(
            now=self.sample.at, sample=self.sample, serving=self.serving, loaded=self.loaded
        )
        return answer(inputs, State(), self.settings, model=model, operation=operation)

    def manager(self) -> ModelManager:
        """Return a manager of the server."""
        return ModelManager(self.settings.catalogue, self.server, self.check)


@click.group()
def models() -> None:
    """Look at the models of a model server, and switch between them.

    Models and server are those of the configuration's section `scaling`; without any, small,
    medium and large of a dry run. SURGE_MODELS_API_KEY is sent to an OpenAI-compatible server.
    """


@models.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@options.config_file
def status(*, as_json: bool, config_path: Path | None) -> None:
    """Show each model: whether the server has it, has loaded it, and could load it now."""
    world = _world(config_path)
    ladder, server = Ladder(world.settings.catalogue), world.server
    try:
        there = {spec.name for name in server.models() if (spec := ladder.known(name))}
    except ModelServerError as error:
        raise Fault(str(error)) from error
    rows = []
    for spec in world.settings.catalogue.models:
        verdict = world.check(spec.name)
        row = {
            "model": spec.name,
            "tier": spec.tier,
            "memory_bytes": spec.memory_bytes,
            "gpu": spec.needs_gpu,
            "available": spec.name in there,
            "loaded": None if world.loaded is None else spec.name in world.loaded,
            "allowed": verdict.allowed,
            "reason": verdict.reason,
        }
        rows.append(row)
    found = {"server": server.name, "serving": world.serving, "models": rows}
    click.echo(json.dumps(found) if as_json else _table(found))


@models.command()
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@options.config_file
def select(*, as_json: bool, config_path: Path | None) -> None:
    """Say which model would best serve now, and why; nothing is switched. Exits with 1 if none."""
    world = _world(config_path)
    verdict = world.check(None)
    found = {
        "model": verdict.recommended_model,
        "serving": world.serving,
        "reason": verdict.reason,
    }
    if as_json:
        click.echo(json.dumps(found))
    try:
        spec = world.manager().select()
    except DeniedError as error:
        raise Fault(f"no model may be loaded now: {error}") from error
    if not as_json:
        click.echo(f"{spec.name} ({spec.tier}): {verdict.reason}")


@models.command()
@click.argument("model")
@click.option("--force", is_flag=True, help="Even if the pre-flight check denies it.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@options.config_file
def switch(*, model: str, force: bool, as_json: bool, config_path: Path | None) -> None:
    """Load MODEL, once what serves now is unloaded. Exits with 1 if another one serves then.

    If it can't be loaded a smaller one is, or the one before.
    """
    world = _world(config_path)
    if world.settings.catalogue.find(model) is None:
        known = ", ".join(spec.name for spec in world.settings.catalogue.models)
        raise Fault(f"expected one of the models {known}, got {model!r}", USAGE_ERROR)
    verdict = world.check(model)
    if not verdict.allowed and not force:
        raise Fault(f"denied: {verdict.reason}; --force loads it all the same")
    manager = world.manager()
    try:
        manager.look()
        served = manager.switch(model, "asked for on the command line")
    except ModelServerError as error:
        raise Fault(str(error)) from error
    now = manager.status().model
    was = f"was {world.serving}" if world.serving else "none was known to"
    if as_json:
        found = {"server": world.server.name, "was": world.serving, "serving": now}
        click.echo(json.dumps(found | {"dry_run": world.kind is ServerKind.DRY_RUN}))
    if not served:
        last = manager.status().last_event
        raise Fault(f"{now} serves: {last.reason if last else ''}")
    if not as_json:
        verb = "would serve" if world.kind is ServerKind.DRY_RUN else "serves now"
        click.echo(f"{model} {verb} ({world.server.name}; {was})")


def _world(config_path: Path | None) -> _World:
    """Return what the configuration speaks of; the server is asked what it has loaded.

    Raises:
        Fault: the configuration can't be used, or the host or the server does not answer.
    """
    config = options.load_config(config_path)
    settings = config_scaling.scaler_settings(config.scaling)
    section = config.scaling.server
    names = tuple(spec.name for spec in settings.catalogue.models)
    server = model_server(section, names)
    sample = look(config)
    world = _World(section.kind, server, settings.on(sample), sample)
    try:
        manager = world.manager()
        manager.look()
    except ModelServerError as error:
        raise Fault(str(error)) from error
    found = manager.status()
    return replace(world, serving=found.model, loaded=found.loaded)


def _table(found: dict[str, Any]) -> str:
    lines = [f"{found['server']}: {found['serving'] or 'no model of these'} serves", ""]
    rows = [("MODEL", "TIER", "MEMORY", "AVAILABLE", "LOADED", "MAY LOAD", "WHY")]
    for row in found["models"]:
        marks = [
            "unknown" if row[key] is None else "yes" if row[key] else "no"
            for key in ("available", "loaded", "allowed")
        ]
        rows.append((row["model"], row["tier"], gib(row["memory_bytes"]), *marks, row["reason"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)
