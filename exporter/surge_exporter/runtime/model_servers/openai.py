"""Any server that speaks OpenAI's API: llama.cpp, vLLM, LM Studio, and many more."""

from collections.abc import Generator, Mapping
from typing import Any

from surge_exporter.runtime.model_servers.http import Http
from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    Running,
    Timeouts,
)

_END = b"[DONE]"


class OpenAI:
    """A server below whose URL are /v1/models and /v1/chat/completions.

    The API loads and unloads nothing. Servers of many models load the one that a request names
    and make room for it, so that a request for one token is what loads; `unload` leaves to them
    what leaves their memory.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        chat: bool = True,
        timeouts: Timeouts | None = None,
    ) -> None:
        """Take where it is, with or without /v1; without `chat` models complete plain text.

        Raises:
            ValueError: the URL is not one of HTTP.
        """
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        base = url.rstrip("/").removesuffix("/v1")
        self._http = Http("openai", base, timeouts or Timeouts(), headers)
        self._chat = chat
        self._path = "/v1/chat/completions" if chat else "/v1/completions"

    @property
    def name(self) -> str:
        """Return what and where it is."""
        return self._http.name

    def models(self) -> tuple[str, ...]:
        """Return what it could serve: /v1/models."""
        entries = self._http.ask("GET", "/v1/models").get("data")
        if not isinstance(entries, list) or not all(
            isinstance(entry, dict) and "id" in entry for entry in entries
        ):
            came = f"expected a list of models with ids, got {entries!r:.80}"
            raise self._http.fault(Fault.FAILED, "GET /v1/models", came)
        return tuple(str(entry["id"]) for entry in entries)

    def running(self) -> tuple[Running, ...] | None:
        """Return None: the API has no word for it."""
        return None

    def load(self, model: str) -> None:
        """Have a model answer with one token.

        One that is not listed is not asked: some servers would answer with another.
        """
        listed = self.models()
        if not {model, f"{model}:latest"} & set(listed):
            came = f"expected one of {', '.join(listed)}"
            raise self._http.fault(Fault.MISSING, f"GET /v1/models ({model})", came)
        for _ in self.generate(model, "Hi", GenerateOptions(max_tokens=1)):
            pass

    def unload(self, model: str) -> None:
        """Do nothing: the API can't, and servers make room themselves."""

    def generate(
        self, model: str, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        """Yield the answer: server-sent events, of which one gives a `finish_reason`.

        `[DONE]` alone is no end: llama-cpp-python also writes it when it cuts an answer short
        because of another request.
        """
        asked = f"POST {self._path} ({model})"
        finished = False
        with self._http.stream(self._path, self._body(model, prompt, options)) as lines:
            for line in lines:
                field, _, data = line.partition(b":")
                data = data.strip()
                if field != b"data" or not data:  # a comment, an empty line, another field
                    continue
                if data == _END:
                    break
                text, ended = self._choice(self._http.decode(data, asked), asked)
                finished = finished or ended
                if text:
                    yield text
        if not finished:
            raise self._http.fault(Fault.FAILED, asked, "the answer ended before it was done")

    def _body(self, model: str, prompt: str, options: GenerateOptions) -> dict[str, Any]:
        numbers = {
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "seed": options.seed,
        }
        words: dict[str, Any] = {"prompt": prompt}
        if self._chat:
            words = {"messages": [{"role": "user", "content": prompt}]}
        given = {name: value for name, value in numbers.items() if value is not None}
        return {"model": model, "stream": True, **words, **given}

    def _choice(self, chunk: Mapping[str, Any], asked: str) -> tuple[str, bool]:
        """Return the text of a chunk, and whether the answer is complete with it."""
        choices = chunk.get("choices")
        if choices == []:  # usage, after the last
            return "", False
        try:
            choice = choices[0]  # type: ignore[index]  # whatever came
            text = choice.get("delta", {}).get("content") if self._chat else choice.get("text")
            return str(text or ""), choice.get("finish_reason") is not None
        except (TypeError, AttributeError, KeyError, IndexError) as error:
            came = f"expected choices, got {chunk!r:.80}"
            raise self._http.fault(Fault.FAILED, asked, came) from error
