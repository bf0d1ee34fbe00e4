"""`preflight`: may this operation start now?"""

import json
import sys
from pathlib import Path
from typing import Any

import click

from surge_exporter.commands import options
from surge_exporter.commands.exporter import sampling
from surge_exporter.commands.host import loaded, look
from surge_exporter.commands.options import USAGE_ERROR, Fault
from surge_exporter.config import Config
from surge_exporter.modelling.checks import NotAnsweredError, ask
from surge_exporter.runtime.model_servers.protocol import ModelServerError
from surge_exporter.scaling.decisions import Inputs, State
from surge_exporter.scaling.preflight import Operation, answer
from surge_exporter.snapshot import Answered
from surge_exporter.web.app import preflight_json


@click.command()
@click.option("--model", help="The model it would use.  [default: the recommended one]")
@click.option(
    "--operation",
    type=click.Choice([operation.value for operation in Operation]),
    default=Operation.GENERATE.value,
    show_default=True,
    help="What is about to start. Where no server says what is loaded, the recommended model"
    " counts as loaded to generate, and not to load.",
)
@click.option(
    "--url",
    envvar="SURGE_URL",
    show_envvar=True,
    help="A running exporter, like http://127.0.0.1:10074; it knows trends and what came before."
    " Without it, the host is looked at here and now, and the configured model server is asked.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@options.config_file
def preflight(
    *,
    model: str | None,
    operation: str,
    url: str | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Say whether an operation may start now on this host: exit 0 if so, 1 if not.

    Goes by a fresh sample of memory and GPUs and, of a running exporter, of CPU, and says why.
    """
    if url is None:
        config = options.load_config(config_path)
        if not config.scaling.enabled:
            raise Fault("the scaler is off: scaling.enabled is false", USAGE_ERROR)
        found = _look(config, model, Operation(operation))
    else:
        found = _ask(url, model, Operation(operation))
    click.echo(json.dumps(found) if as_json else _sentence(found))
    sys.exit(0 if found["allowed"] else 1)


def _look(config: Config, model: str | None, operation: Operation) -> dict[str, Any]:
    """Return the answer by a sample taken here and now, and by what the server has loaded."""
    settings = sampling(config.scaling).settings
    try:
        there = loaded(config, settings.catalogue)
    except ModelServerError as error:
        there = None
        click.echo(f"surge-exporter: what is loaded is not known: {error}", err=True)
    sample = look(config)
    inputs = Inputs(now=sample.at, sample=sample, loaded=there)
    found = answer(inputs, State(), settings, model=model, operation=operation)
    return preflight_json(Answered(preflight=found, sampled_at=sample.at))


def _ask(url: str, model: str | None, operation: Operation) -> dict[str, Any]:
    """Return the answer of a running exporter.

    Raises:
        Fault: the URL is none of HTTP, it does not answer, or what answers is none.
    """
    try:
        return ask(url, model, operation)
    except ValueError as error:
        raise Fault(f"--url: {error}", USAGE_ERROR) from error
    except NotAnsweredError as error:
        raise Fault(str(error)) from error


def _sentence(found: dict[str, Any]) -> str:
    if found["allowed"]:
        return f"Allowed: {found['reason']}"
    instead, wait = found["recommended_model"], found["retry_after_seconds"]
    hints = [f"use {instead} instead"] if instead and instead != found["model"] else []
    if wait is not None:
        hints.append(f"try again in {wait:.0f} s")
    return f"Denied: {found['reason']}{'; ' if hints else ''}{' or '.join(hints)}"
