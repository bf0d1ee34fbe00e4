"""Brings models into memory: what the server has, what can be loaded, what has to go first."""

import logging
from collections.abc import Callable, Generator, Iterable
from itertools import chain

from surge_exporter.modelling.gate import Gate
from surge_exporter.modelling.ladder import Ladder
from surge_exporter.modelling.record import Record
from surge_exporter.runtime.model_servers.protocol import (
    GONE,
    Fault,
    ModelServer,
    ModelServerError,
)
from surge_exporter.scaling.tiers import ModelSpec

_MAY_STILL_COME = frozenset({Fault.FAILED, Fault.SILENT})
"""A model was only too slow, perhaps: it would lie in memory beside its successor."""

_log = logging.getLogger(__name__)


class Loader:
    """Loads and unloads; only who is switching may have it do so."""

    def __init__(
        self,
        *,
        server: ModelServer,
        ladder: Ladder,
        gate: Gate,
        record: Record,
        may_load: Callable[[str], bool],
    ) -> None:
        self._server = server
        self._ladder = ladder
        self._gate = gate
        self._record = record
        self._may_load = may_load

    def listed(self) -> frozenset[ModelSpec] | None:
        """Ask the server which of the models it has; None if it can't say.

        Raises:
            ModelServerError: nobody answers.
        """
        try:
            names = self._server.models()
        except ModelServerError as error:
            if error.fault in GONE:
                raise
            return None
        return frozenset(spec for name in names if (spec := self._ladder.known(name)))

    def candidates(
        self, wanted: str, was: str | None, faults: list[str]
    ) -> Generator[ModelSpec, None, None]:
        """Yield what to load until one can be: what served, and of others what the server has.

        Nothing is taken out of memory for a name that was misspelt. Of what the server does not
        have the first is an error, if nothing served.

        Raises:
            ModelServerError: the server has none, or nobody answers.
        """
        listed, first, has_any = self.listed(), None, False
        for spec in self._ladder.to_try(wanted, was):
            if spec.name != was and listed is not None and spec not in listed:
                first = first or spec.name
                self._record.add_load(spec.name, failed=True)
                faults.append(f"{spec.name} can't be loaded: the server does not list it")
            elif spec.name in (wanted, was) or self._may_load(spec.name):
                has_any = True
                yield spec
        if first is not None and not has_any:
            raise self._missing(first)

    def _missing(self, model: str) -> ModelServerError:
        return ModelServerError(
            Fault.MISSING,
            asked=f"models ({model})",
            server=self._server.name,
            came="it is not listed",
        )

    def load(
        self, model: str, others: Iterable[ModelSpec], was: str | None, faults: list[str]
    ) -> str:
        """Load a model, or the next one that can be; return it, and note why others can't.

        What served goes first: a model that is to replace it may need its memory. It comes back
        only if it was there. After silence nothing else is tried: the server may hang, and each
        load would take minutes to show that.

        Raises:
            ModelServerError: none could be loaded, or what served stays in memory.
        """
        has_left = was is not None and self._gate.has_left(was)
        if was is not None and not has_left:
            self._make_room(was)
        last: ModelServerError | None = None
        is_slow = False
        for name in chain((model,), (other.name for other in others)):
            if has_left and name == was:
                break
            if is_slow and name != was:
                continue
            try:
                self._server.load(name)
            except ModelServerError as error:
                last = error
                is_slow = is_slow or error.fault is Fault.SILENT
                faults.append(f"{name} can't be loaded: {error.came}")
                if error.fault is Fault.UNREACHABLE:
                    break
                self._record.add_load(name, failed=True)
                if error.fault in _MAY_STILL_COME and name != was and not self.unload(name):
                    break
            else:
                self._record.add_load(name, failed=False)
                return name
        assert last is not None  # noqa: S101 - one at least was tried
        raise last

    def _make_room(self, was: str) -> None:
        """Unload what served; what stays in memory goes on serving, or there would be two.

        Raises:
            ModelServerError: it may still be there.
        """
        try:
            self._server.unload(was)
        except ModelServerError as error:
            # Its files may have been deleted; of what has no name nothing can be taken back.
            if error.fault is not Fault.MISSING:
                raise
        self._gate.unloaded(was)

    def unload(self, model: str) -> bool:
        """Unload a model if that can be; say whether the server is there at all."""
        try:
            self._server.unload(model)
        except ModelServerError as error:
            _log.warning("unload failed model=%s error=%s", model, error)
            return error.fault not in GONE
        self._gate.unloaded(model)
        return True
