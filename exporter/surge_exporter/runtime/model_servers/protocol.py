"""What a model server can be asked, and how it says that it can't."""

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from surge_exporter.model import Seconds

_CONNECT_SECONDS = Seconds(5.0)
_READ_SECONDS = Seconds(60.0)
_LOAD_SECONDS = Seconds(300.0)


class Fault(StrEnum):
    """Why a server did not do what it was asked; what to do next depends on it."""

    UNREACHABLE = "unreachable"
    """Nobody answers: no other model of that server would, either."""
    REFUSED = "refused"
    """The request itself is at fault; another model would refuse it as well."""
    BUSY = "busy"
    """Too many requests wait; the same one may be taken later."""
    MISSING = "missing"
    """The server does not have the model."""
    FAILED = "failed"
    """The model broke, or ended in the middle."""
    SILENT = "silent"
    """No answer, or no more of it, in time: the model is too slow, or the whole server hangs."""


GONE = frozenset({Fault.UNREACHABLE, Fault.SILENT})
"""What says, of a question that any server answers at once, that nobody is there."""


class ModelServerError(Exception):
    """A model server did not do what it was asked."""

    def __init__(self, fault: Fault, *, asked: str, server: str, came: str) -> None:
        """Take why, what was asked, of whom, and what came instead."""
        super().__init__(f"{server}: {asked}: {came}")
        self.fault = fault
        self.asked = asked
        self.server = server
        self.came = came


@dataclass(frozen=True, slots=True)
class Timeouts:
    """For how long to wait: for a connection, between two pieces, and for a model to load."""

    connect_seconds: Seconds = _CONNECT_SECONDS
    read_seconds: Seconds = _READ_SECONDS
    load_seconds: Seconds = _LOAD_SECONDS


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How to generate; None leaves it to the server."""

    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A model in a server's memory; sizes are None where the server does not say."""

    name: str
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None


class ModelServer(Protocol):
    """Serves models by name. Any thread may call any method; each blocks until it is done."""

    @property
    def name(self) -> str:
        """Return what and where it is, without credentials."""
        ...

    def models(self) -> tuple[str, ...]:
        """Return what it could serve.

        Raises:
            ModelServerError: it did not say.
        """
        ...

    def running(self) -> tuple[Running, ...] | None:
        """Return what is in its memory; None if its API can't say.

        Raises:
            ModelServerError: it did not say.
        """
        ...

    def load(self, model: str) -> None:
        """Bring a model into memory, so that the next request need not wait for it.

        Raises:
            ModelServerError: it is not there now.
        """
        ...

    def unload(self, model: str) -> None:
        """Take a model out of memory; one that is not in it is no error.

        Raises:
            ModelServerError: it may still be there.
        """
        ...

    def generate(
        self, model: str, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        """Yield the answer piece by piece; the end is only reached if the server said so.

        Closing it before that tells the server that nobody listens any more.

        Raises:
            ModelServerError: no answer, or only the part that was yielded.
        """
        ...
