"""A server that does nothing but remember what it would have done: the default."""

import logging
import threading
from collections.abc import Generator

from surge_exporter.runtime.model_servers.protocol import GenerateOptions, Running

_MOST_REMEMBERED = 1000

_log = logging.getLogger(__name__)


class DryRun:
    """Serves nothing, to whoever asks, and never fails.

    `_guard` guards what it remembers: any thread asks.
    """

    def __init__(self, models: tuple[str, ...] = ()) -> None:
        """Take the models that it is to claim to have."""
        self._models = models
        self._guard = threading.Lock()
        self._loaded: list[str] = []
        self._done: list[str] = []

    @property
    def name(self) -> str:
        """Return what it is."""
        return "dry run"

    @property
    def done(self) -> tuple[str, ...]:
        """Return what it would have done lately, oldest first: `load small`, say."""
        with self._guard:
            return tuple(self._done)

    def models(self) -> tuple[str, ...]:
        """Return what it was given."""
        return self._models

    def running(self) -> tuple[Running, ...]:
        """Return what would be in memory."""
        with self._guard:
            return tuple(map(Running, self._loaded))

    def load(self, model: str) -> None:
        """Remember it."""
        with self._guard:
            self._note(f"load {model}")
            if model not in self._loaded:
                self._loaded.append(model)

    def unload(self, model: str) -> None:
        """Remember it."""
        with self._guard:
            self._note(f"unload {model}")
            if model in self._loaded:
                self._loaded.remove(model)

    def generate(
        self, model: str, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        """Yield one sentence that says what was asked."""
        del options
        with self._guard:
            self._note(f"generate {model}")
        yield f"(dry run: {model} would have answered {len(prompt)} characters)"

    def _note(self, what: str) -> None:
        _log.info("dry run: %s", what)
        self._done.append(what)
        del self._done[:-_MOST_REMEMBERED]
