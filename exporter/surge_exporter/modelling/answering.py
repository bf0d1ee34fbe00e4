"""Answers: each asks the pre-flight check, runs as a task of the gate, and falls back."""

from collections.abc import Callable, Generator
from contextlib import closing
from typing import Self, TypeVar

from surge_exporter.model import Seconds
from surge_exporter.modelling.gate import Gate, Task
from surge_exporter.modelling.record import Record
from surge_exporter.modelling.switching import Switcher
from surge_exporter.modelling.values import (
    Answer,
    AnswerBrokenError,
    DeniedError,
    NotNowError,
    Patience,
)
from surge_exporter.runtime.clock import Clock
from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    ModelServer,
    ModelServerError,
)
from surge_exporter.scaling.decisions import Kind
from surge_exporter.scaling.preflight import Operation, Preflight

PreflightCheck = Callable[[str | None, Operation], Preflight]
"""Says whether a model, or the recommended one, may do something now; any thread asks."""

_MOST_ATTEMPTS = 16
"""Each but the last is followed by a switch; no ladder is as long."""
_AT_FAULT = frozenset({Fault.FAILED, Fault.MISSING, Fault.SILENT})
"""What another model may do better; see `Fault`."""

_Given = TypeVar("_Given")


class _CutError(Exception):
    """An answer was not finished when a switch could wait no longer."""


class Stream:
    """A streaming answer: iterate over its pieces, in a `with` block or to the end.

    While it is neither at its end nor closed, a switch waits for it, until the drain's deadline.
    """

    def __init__(
        self,
        model: str,
        first: str,
        pieces: Generator[str, None, None],
        broke: Callable[[str, Exception], AnswerBrokenError],
    ) -> None:
        """Take who answers, the first piece, the others, and what a break is made of."""
        self.model = model
        self._first: str | None = first
        self._pieces = pieces
        self._broke = broke

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        """Return the next piece.

        Raises:
            AnswerBrokenError: there should have been one.
        """
        first, self._first = self._first, None
        if first is not None:
            return first
        try:
            return next(self._pieces)
        except (_CutError, ModelServerError) as error:
            raise self._broke(self.model, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no longer; the server is told."""
        self._pieces.close()


class Answering:
    """Gives answers, on the threads of those who ask; keeps nothing itself."""

    def __init__(
        self,
        *,
        server: ModelServer,
        gate: Gate,
        switcher: Switcher,
        record: Record,
        preflight: PreflightCheck,
        select: Callable[[], str],
        clock: Clock,
        patience: Patience,
    ) -> None:
        self._server = server
        self._gate = gate
        self._switcher = switcher
        self._record = record
        self._preflight = preflight
        self._select = select
        self._clock = clock
        self._patience = patience

    def whole(self, prompt: str, options: GenerateOptions) -> Answer:
        """Return a whole answer; raises as `ModelManager.generate` does."""

        def give(model: str, pieces: Generator[str, None, None]) -> Answer:
            began = self._clock.monotonic()
            text = "".join(pieces)
            seconds = Seconds(self._clock.monotonic() - began)
            return Answer(text=text, model=model, seconds=seconds)

        return self._attempt(prompt, options, give)

    def begun(self, prompt: str, options: GenerateOptions) -> Stream:
        """Return an answer whose first piece is there; raises as `ModelManager.stream` does."""

        def give(model: str, pieces: Generator[str, None, None]) -> Stream:
            first = next(pieces, "")  # an answer may be empty
            return Stream(model, first, pieces, self._broke)

        return self._attempt(prompt, options, give)

    def _attempt(
        self,
        prompt: str,
        options: GenerateOptions,
        give: Callable[[str, Generator[str, None, None]], _Given],
    ) -> _Given:
        """Return what one model gives; the next one if it fails, or is cut."""
        deadline = Seconds(self._clock.monotonic() + self._patience.request_seconds)
        for _ in range(_MOST_ATTEMPTS):
            task = self._begin(deadline)
            try:
                return give(task.model, self._pieces(task, prompt, options))
            except _CutError:
                continue
            except ModelServerError as error:
                why = f"{task.model} failed: {error.came}"
                if error.fault not in _AT_FAULT:
                    raise
                if not self._switcher.fall_back(task.model, why):
                    raise
        raise NotNowError(f"no answer in {_MOST_ATTEMPTS} attempts")

    def _begin(self, deadline: Seconds) -> Task:
        """Return a task of the model that serves, once the pre-flight check allows it."""
        for _ in range(_MOST_ATTEMPTS):
            model = self._gate.serving(deadline)
            if model is None:
                found = self._select()
                self._switcher.switch(found, "first request", wanted=lambda now: now is None)
                continue
            broke = self._gate.forgive(model)
            if broke and self._switcher.fall_back(model, f"an answer of {model} broke off"):
                continue
            verdict = self._preflight(model, Operation.GENERATE)
            if not verdict.allowed:
                if self._switcher.fall_back(model, verdict.reason, Kind.DOWNGRADE):
                    continue
                raise DeniedError(verdict)
            task = self._gate.begin(model)
            if task is not None:
                return task
        raise NotNowError(f"models were switched {_MOST_ATTEMPTS} times meanwhile")

    def _pieces(
        self, task: Task, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        """Yield an answer, and end its task; of its time, the server's part is recorded."""
        spent = 0.0
        try:
            with closing(self._server.generate(task.model, prompt, options)) as answer:
                while True:
                    began = self._clock.monotonic()
                    piece = next(answer, None)
                    spent += self._clock.monotonic() - began
                    if piece is None:
                        break
                    if task.cut:
                        raise _CutError
                    yield piece
            self._record.add(task.model, seconds=Seconds(spent), failed=False)
        except ModelServerError as error:
            if error.fault in _AT_FAULT:
                self._record.add(task.model, seconds=Seconds(spent), failed=True)
            raise
        finally:
            self._gate.end(task)

    def _broke(self, model: str, error: Exception) -> AnswerBrokenError:
        """Return what the reader of a stream gets; the next request is to fall back."""
        if isinstance(error, ModelServerError):
            if error.fault in _AT_FAULT:
                self._gate.distrust(model)
            return AnswerBrokenError(model, error.came)
        return AnswerBrokenError(model, "a switch of models could wait no longer")
