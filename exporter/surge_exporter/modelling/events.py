"""Tells subscribers of events: in order, one at a time, and whatever they do."""

import logging
import threading
from collections import deque
from collections.abc import Callable

from surge_exporter.modelling.values import ScalingEvent

Subscriber = Callable[[ScalingEvent], object]

_MOST_UNTOLD = 1000

_log = logging.getLogger(__name__)


class Announcer:
    """Tells of events on the thread that tells the first of them; no lock is held meanwhile.

    So a subscriber may call the manager, or this. One that raises is logged; one that hangs
    keeps its thread, and the rest of the events from everybody. `_guard` guards the lists.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._subscribers: list[Subscriber] = []
        self._untold: deque[ScalingEvent] = deque(maxlen=_MOST_UNTOLD)
        self._telling = False

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell somebody of every event from now on; return what ends that."""
        with self._guard:
            self._subscribers.append(subscriber)

        def end() -> None:
            with self._guard:
                if subscriber in self._subscribers:
                    self._subscribers.remove(subscriber)

        return end

    def add(self, event: ScalingEvent) -> None:
        """Put an event in its place in the order; it is told with the next `tell`."""
        with self._guard:
            self._untold.append(event)

    def tell(self) -> None:
        """Tell everybody what was added, here or on the thread that is just telling."""
        with self._guard:
            if self._telling:
                return
            self._telling = True
        while (told := self._next()) is not None:
            event, subscribers = told
            for subscriber in subscribers:
                try:
                    subscriber(event)
                except Exception:  # noqa: BLE001 - it is theirs, and harms nobody else
                    _log.exception("subscriber failed event=%s", event)

    def _next(self) -> tuple[ScalingEvent, tuple[Subscriber, ...]] | None:
        with self._guard:
            if not self._untold:
                self._telling = False
                return None
            return self._untold.popleft(), tuple(self._subscribers)
