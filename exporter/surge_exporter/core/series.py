"""Label values: sanitised, capped when first seen, forgotten when idle."""

from typing import NamedTuple

from surge_exporter.model import UNKNOWN

OTHER = "__other__"
"""What a label value becomes when its label has no room left."""

_LONGEST_LABEL = 128
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")


class SeriesKey(NamedTuple):
    """What requests are told apart by."""

    caller: str
    model: str
    success: bool


def clean_label(raw: str | int | None) -> str:
    r"""Return text that every exposition format can carry.

    A lone surrogate (JSON can spell one) would make each scrape fail until a restart.

    >>> clean_label('tick\ud800\n')
    'tick? '
    """
    if raw is None or raw == "":
        return UNKNOWN
    text = str(raw).encode("utf-8", "replace").decode()
    return text.translate(_CONTROL)[:_LONGEST_LABEL]


class CappedLabel:
    """The values one label may take: at most `limit`, each until idle for long.

    One owner; not safe for threads.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._last_seen: dict[str, float] = {}

    def admit(self, raw: str | int | None, at: float) -> str:
        """Return the label value for `raw`; `OTHER` when there is no room."""
        value = clean_label(raw)
        if value not in self._last_seen:
            if len(self._last_seen) >= self._limit:
                return OTHER
            self._last_seen[value] = at
        return value

    def touch(self, value: str, at: float) -> None:
        """Note that `value` is in use at event time `at`."""
        if at > self._last_seen.get(value, at):
            self._last_seen[value] = at

    def shift(self, seconds: float) -> None:
        """Have every value seen so much later."""
        self._last_seen = {value: seen + seconds for value, seen in self._last_seen.items()}

    def expire(self, idle_since: float) -> frozenset[str]:
        """Forget and return the values not used since `idle_since`."""
        idle = frozenset(v for v, seen in self._last_seen.items() if seen < idle_since)
        for value in idle:
            del self._last_seen[value]
        return idle


class SeriesTable:
    """Small integers for (caller, model, success), so that buckets hold numbers, not text.

    One owner; not safe for threads. `ids` may be read directly on the hot path: it maps raw
    triples to identifiers, but only those whose labels were admitted and needed no cleaning:
    the others are without number.
    """

    def __init__(self, *, callers: int = 500, models: int = 50) -> None:
        self.ids: dict[tuple[str | int | None, str | int | None, bool], int] = {}
        self._keys: list[SeriesKey | None] = []
        self._by_key: dict[SeriesKey, int] = {}
        self._free: list[int] = []
        self._callers = CappedLabel(callers)
        self._models = CappedLabel(models)

    def key(self, identifier: int) -> SeriesKey:
        """Return what an identifier stands for; it must be in use."""
        key = self._keys[identifier]
        if key is None:
            raise KeyError(identifier)
        return key

    def admit(
        self, caller: str | int | None, model: str | int | None, *, success: bool, at: float
    ) -> int:
        """Return the identifier of a triple not found in `ids`."""
        key = SeriesKey(self._callers.admit(caller, at), self._models.admit(model, at), success)
        identifier = self._by_key.get(key)
        if identifier is None:
            identifier = self._by_key[key] = self._new(key)
        if _is_plain(caller, key.caller) and _is_plain(model, key.model):
            self.ids[caller, model, success] = identifier
        return identifier

    def touch(self, identifier: int, at: float) -> None:
        """Note that an identifier is in use at event time `at`."""
        key = self.key(identifier)
        self._callers.touch(key.caller, at)
        self._models.touch(key.model, at)

    def shift(self, seconds: float) -> None:
        """Note that the clock was set by so much: nothing is idle for longer because of that."""
        self._callers.shift(seconds)
        self._models.shift(seconds)

    def expire(self, idle_since: float) -> frozenset[SeriesKey]:
        """Forget idle callers and models, and return the series that went with them.

        Nothing of the series may be held any more: `idle_since` lies before every window.
        """
        callers, models = self._callers.expire(idle_since), self._models.expire(idle_since)
        gone = frozenset(k for k in self._by_key if k.caller in callers or k.model in models)
        for key in gone:
            identifier = self._by_key.pop(key)
            self._keys[identifier] = None
            self._free.append(identifier)
        if gone:
            in_use = set(self._by_key.values())
            self.ids = {raw: i for raw, i in self.ids.items() if i in in_use}
        return gone

    def _new(self, key: SeriesKey) -> int:
        if self._free:
            identifier = self._free.pop()
            self._keys[identifier] = key
            return identifier
        self._keys.append(key)
        return len(self._keys) - 1


def _is_plain(raw: str | int | None, label: str) -> bool:
    """Say whether `label` is `raw` as it stands: neither cleaned nor without room."""
    return label == (UNKNOWN if raw is None else raw)
