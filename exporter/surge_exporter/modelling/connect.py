"""From a kind and a URL, as the configuration names them, to a server."""

import os

from surge_exporter.config_scaling import ServerConfig, ServerKind
from surge_exporter.runtime.model_servers.dry_run import DryRun
from surge_exporter.runtime.model_servers.ollama import DEFAULT_URL, Ollama
from surge_exporter.runtime.model_servers.openai import OpenAI
from surge_exporter.runtime.model_servers.protocol import ModelServer, Timeouts

API_KEY_VARIABLE = "SURGE_MODELS_API_KEY"
"""Of the environment: a key has no place in a configuration that is printed and committed."""


def connect(
    kind: ServerKind,
    url: str | None = None,
    *,
    models: tuple[str, ...] = (),
    api_key: str | None = None,
    timeouts: Timeouts | None = None,
) -> ModelServer:
    """Return a server; nothing is asked of it yet. `models` are what a dry run claims to have.

    Raises:
        ValueError: the URL is missing, or not one of HTTP.
    """
    if kind is ServerKind.DRY_RUN:
        return DryRun(models)
    if kind is ServerKind.OLLAMA:
        return Ollama(url or DEFAULT_URL, timeouts=timeouts)
    if url is None:
        raise ValueError("expected the URL of the OpenAI-compatible server")
    # A secret that was mounted ends with a line's end, with which each request would be refused.
    key = api_key.strip() if api_key else None
    return OpenAI(url, api_key=key, timeouts=timeouts)


def connect_configured(section: ServerConfig, models: tuple[str, ...] = ()) -> ModelServer:
    """Return the server of a configuration, with the key of the environment.

    Raises:
        ValueError: its URL can't be used; the setting is named.
    """
    key = os.environ.get(API_KEY_VARIABLE)
    try:
        return connect(section.kind, section.url, models=models, api_key=key)
    except ValueError as error:
        raise ValueError(f"scaling.server.url: {error}") from error
