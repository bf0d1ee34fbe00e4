"""A model server in memory, that takes the scheduler's time and fails as the test says."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping

from surge_exporter.runtime.model_servers.protocol import (
    Fault,
    GenerateOptions,
    ModelServerError,
    Running,
)
from surge_exporter.scaling.preflight import Operation, Preflight
from surge_exporter.scaling.tiers import Catalogue, ModelSpec
from tests.scheduling import Scheduler

GIB = 2**30
SMALL, MEDIUM, LARGE = "tiny:1b", "middle:8b", "huge:70b"
CATALOGUE = Catalogue.of(
    ModelSpec(name=name, tier=tier, memory_bytes=size * GIB)
    for name, tier, size in ((SMALL, "small", 2), (MEDIUM, "medium", 8), (LARGE, "large", 20))
)
PIECES = 3
"""In an answer that goes well; a fault counts the pieces before it."""


def answer_of(model: str) -> str:
    """Return a whole answer of a model."""
    return "".join(f"{model}.{number} " for number in range(PIECES))


class FakeServer:
    """Serves from memory, and checks that it is treated well."""

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        faults: Mapping[str, Iterable[int]] | None = None,
        broken_loads: Mapping[str, int] | None = None,
        piece_seconds: float = 1.0,
        load_seconds: float = 10.0,
    ) -> None:
        """Take after how many pieces answers break, by model; and how often loads fail."""
        self._scheduler = scheduler
        self.faults = {model: deque(after) for model, after in (faults or {}).items()}
        self.broken_loads = dict(broken_loads or {})
        self.broken_unloads: set[str] = set()
        self.fault = Fault.FAILED
        self.piece_seconds = piece_seconds
        self._load_seconds = load_seconds
        self.loaded: list[str] = []
        self.log: list[str] = []
        self.answering: list[str] = []
        self.asked_while_changing: list[str] = []
        self.loaded_on_demand: list[str] = []
        self.unloaded_under: list[tuple[str, int]] = []
        self.looks = 0
        self.look_seconds = 0.0
        self.is_gone = False
        self.names: tuple[str, ...] | None = tuple(model.name for model in CATALOGUE.models)
        """What it lists; None if it can't."""
        self.says_what_runs = True
        self.meanwhile: Callable[[str], object] = lambda _: None
        self._changing = 0
        self.most_changing = 0

    @property
    def name(self) -> str:
        return "fake"

    def models(self) -> tuple[str, ...]:
        if self.is_gone or self.names is None:
            raise self.error("models", "Connection refused")
        return self.names

    def running(self) -> tuple[Running, ...] | None:
        self.looks += 1
        if self.is_gone:
            raise self.error("running", "Connection refused")
        found = tuple(map(Running, self.loaded))
        # It may all be otherwise before anybody reads it.
        self._scheduler.sleep(self.look_seconds)
        return found if self.says_what_runs else None

    def load_for_somebody_else(self, model: str) -> None:
        """Load a model in place of all that answer nobody just now, as a server does."""
        busy = set(self.answering)
        self.loaded[:] = [found for found in self.loaded if found in busy and found != model]
        self.loaded.append(model)

    def load(self, model: str) -> None:
        self._change(f"load {model}")
        if self.broken_loads.get(model, 0) > 0:
            self.broken_loads[model] -= 1
            raise self.error(f"load {model}", "out of memory")
        if model not in self.loaded:
            self.loaded.append(model)

    def unload(self, model: str) -> None:
        self.unloaded_under.append((model, self.answering.count(model)))
        if model in self.broken_unloads:
            raise self.error(f"unload {model}", "try again later")
        if model in self.loaded:
            self._change(f"unload {model}")
        if model in self.loaded:  # somebody else's load may have taken its place meanwhile
            self.loaded.remove(model)

    def generate(
        self, model: str, prompt: str, options: GenerateOptions
    ) -> Generator[str, None, None]:
        del prompt, options
        self.log.append(f"generate {model}")
        if self._changing:
            self.asked_while_changing.append(model)
        if model not in self.loaded:
            self.loaded_on_demand.append(model)
            self.loaded.append(model)
        faults = self.faults.get(model)
        after = faults.popleft() if faults else None
        self.answering.append(model)
        try:
            for number in range(PIECES):
                self._scheduler.sleep(self.piece_seconds)
                if number == after:
                    raise self.error(f"generate {model}", "it broke")
                self.meanwhile(model)
                yield f"{model}.{number} "
        finally:
            self.answering.remove(model)

    def error(self, asked: str, came: str) -> ModelServerError:
        return ModelServerError(self.fault, asked=asked, server=self.name, came=came)

    def _change(self, what: str) -> None:
        self._changing += 1
        self.most_changing = max(self.most_changing, self._changing)
        self.log.append(what)
        self._scheduler.sleep(self._load_seconds)
        self._changing -= 1


class FakePreflight:
    """Allows every model but those that the test denies."""

    def __init__(
        self, recommended: str | None = LARGE, scheduler: Scheduler | None = None
    ) -> None:
        """Take what it recommends, and whose time it takes, if it is to take any."""
        self._scheduler = scheduler
        self.recommended = recommended
        self.denied: set[str] = set()
        self.asked: list[tuple[str | None, Operation]] = []

    def __call__(self, model: str | None, operation: Operation) -> Preflight:
        self.asked.append((model, operation))
        if self._scheduler is not None:
            self._scheduler.pause()
        allowed = model not in self.denied
        return Preflight(
            allowed=allowed,
            reason="all is well" if allowed else f"memory is at 93 % of 90 % for {model}",
            operation=operation,
            model=model,
            tier=None,
            recommended_model=self.recommended,
            retry_after_seconds=None if allowed else 30.0,  # type: ignore[arg-type]
        )
