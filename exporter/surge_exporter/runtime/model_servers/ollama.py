"""Ollama's own HTTP API."""

from collections.abc import Generator
from typing import Any

from surge_exporter.runtime.model_servers.http import Http
from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    Running,
    Timeouts,
)

DEFAULT_URL = "http://127.0.0.1:11434"
_GENERATE = "/api/generate"


class Ollama:
    """An Ollama server.

    Models are kept loaded for `keep_alive` after each request: long enough for a lull, but not
    forever, since who loaded them may be gone.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        timeouts: Timeouts | None = None,
        keep_alive: str = "30m",
    ) -> None:
        """Take where it is; nothing is asked yet.

        Raises:
            ValueError: the URL is not one of HTTP.
        """
        self._http = Http("ollama", url, timeouts or Timeouts())
        self._keep_alive = keep_alive

    @property
    def name(self) -> str:
        """Return what and where it is."""
        return self._http.name

    def models(self) -> tuple[str, ...]:
        """Return what it could serve: /api/tags."""
        return tuple(str(entry["name"]) for entry in self._entries("/api/tags"))

    def running(self) -> tuple[Running, ...]:
        """Return what is in its memory: /api/ps."""
        return tuple(
            Running(str(entry["name"]), _bytes(entry, "size"), _bytes(entry, "size_vram"))
            for entry in self._entries("/api/ps")
        )

    def load(self, model: str) -> None:
        """Load a model by a request without a prompt."""
        self._keep(model, self._keep_alive, slow=True)

    def unload(self, model: str) -> None:
        """Unload a model: once answers that it is giving are finished, which nobody waits for.

        So a server that does not say at once that it will hangs.
        """
        self._keep(model, 0, slow=False)

    def generate(
        self, model: str, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        """Yield the answer: a JSON object a line, the last of which says `done`."""
        numbers = {
            "num_predict": options.max_tokens,
            "temperature": options.temperature,
            "seed": options.seed,
        }
        body = {
            "model": model,
            "prompt": prompt,
            "stream": True,
            "keep_alive": self._keep_alive,
            "options": {name: value for name, value in numbers.items() if value is not None},
        }
        asked = f"POST {_GENERATE} ({model})"
        with self._http.stream(_GENERATE, body) as lines:
            for line in filter(None, lines):
                found = self._http.decode(line, asked)
                if found.get("response"):
                    yield str(found["response"])
                if found.get("done"):
                    return
        raise self._http.fault(Fault.FAILED, asked, "the answer ended before it was done")

    def _keep(self, model: str, keep_alive: str | int, *, slow: bool) -> None:
        body = {"model": model, "keep_alive": keep_alive, "stream": False}
        found = self._http.ask("POST", _GENERATE, body, slow=slow)
        if not found.get("done"):
            asked = f"POST {_GENERATE} ({model}, keep_alive {keep_alive})"
            raise self._http.fault(Fault.FAILED, asked, f"expected done, got {found!r:.80}")

    def _entries(self, path: str) -> list[dict[str, Any]]:
        entries = self._http.ask("GET", path).get("models")
        if entries is None:  # as Go writes an empty list
            return []
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "name" in entry for entry in entries
        ):
            came = f"expected a list of models with names, got {entries!r:.80}"
            raise self._http.fault(Fault.FAILED, f"GET {path}", came)
        return entries


def _bytes(entry: dict[str, Any], key: str) -> int | None:
    found = entry.get(key)
    return found if isinstance(found, int) else None
