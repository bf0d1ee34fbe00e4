"""Threads that run one at a time, in an order that the test chooses, on a clock of its own.

A thread gives way where it takes a lock, waits, or sleeps; who goes on is chosen then. So every
order in which threads can meet can be tried, each again and again. Time passes when nobody can
go on without or, where threads may be starved, also when it is time's turn.
"""

import math
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tests.fakes import FakeClock

_PATIENCE_SECONDS = 30.0
_SOON_SECONDS = 1000.0
"""Nobody is starved for longer, or all who wait with a deadline would give up."""


@dataclass(eq=False)
class _Thread:
    """One of the threads, and what it waits for; it may go on while `ready` says so."""

    name: str
    ready: Callable[[], bool] = lambda: True
    deadline: float | None = None
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    over: bool = False
    error: BaseException | None = None


class Scheduler:
    """Runs threads; `choices` say who goes on, the first who can where they are used up."""

    def __init__(
        self, clock: FakeClock, choices: Iterable[int] = (), *, starves: bool = False
    ) -> None:
        """Take the clock to move, who is to go on each time, and whether it may be time."""
        self.clock = clock
        self._starves = starves
        self._choices = iter(choices)
        self._threads: list[_Thread] = []
        self._here = threading.local()
        self._back = threading.Semaphore(0)
        self._given_up = False

    def spawn(self, name: str, work: Callable[[], object]) -> None:
        """Add a thread; it begins with `run`."""
        thread = _Thread(name)

        def body() -> None:
            self._here.thread = thread
            thread.go.acquire(timeout=_PATIENCE_SECONDS)
            try:
                if not self._given_up:
                    work()
            except BaseException as error:  # noqa: BLE001 - it is raised by `run`
                thread.error = error
            thread.over = True
            self._back.release()

        self._threads.append(thread)
        threading.Thread(target=body, daemon=True).start()

    def run(self) -> None:
        """Let the threads run to their ends; raise what one of them raised."""
        while living := [thread for thread in self._threads if not thread.over]:
            able = [thread for thread in living if thread.ready()]
            turns = len(able) + (self._starves and self._next_deadline(living) < _SOON_SECONDS)
            turn = next(self._choices, 0) % turns if able else 0
            if turn == len(able):
                self._pass_time(living)
                continue
            chosen = able[turn]
            self._let(chosen)
            if chosen.error is not None:
                self._give_up()
                raise chosen.error

    def pause(self) -> None:
        """Let somebody else go on."""
        self.wait_for(lambda: True)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.wait_for(lambda: False, seconds)

    def wait_for(self, predicate: Callable[[], bool], seconds: float | None = None) -> bool:
        """Give way until something holds, or for so many seconds; say whether it does."""
        thread: _Thread | None = getattr(self._here, "thread", None)
        if thread is None:  # the test itself, before or after the threads run
            assert predicate() or seconds is not None, "nobody is there to wait for"
            return predicate()
        deadline = None if seconds is None else self.clock.monotonic() + seconds
        thread.deadline = deadline
        thread.ready = lambda: (
            predicate() or (deadline is not None and self.clock.monotonic() >= deadline)
        )
        self._back.release()
        thread.go.acquire()
        thread.ready, thread.deadline = (lambda: True), None
        if self._given_up:
            raise SystemExit
        return predicate()

    def _pass_time(self, living: list[_Thread]) -> None:
        seconds = self._next_deadline(living)
        if seconds == math.inf:
            names = ", ".join(thread.name for thread in living)
            self._give_up()
            raise AssertionError(f"these wait for each other: {names}")
        self.clock.advance(seconds + 1e-9)

    def _next_deadline(self, living: list[_Thread]) -> float:
        """Return in how many seconds somebody has waited for long enough."""
        now = self.clock.monotonic()
        deadlines = [thread.deadline for thread in living if thread.deadline is not None]
        return min((deadline - now for deadline in deadlines if deadline > now), default=math.inf)

    def _let(self, thread: _Thread) -> None:
        thread.go.release()
        assert self._back.acquire(timeout=_PATIENCE_SECONDS), f"{thread.name} is stuck"

    def _give_up(self) -> None:
        self._given_up = True
        for thread in self._threads:
            if not thread.over:
                self._let(thread)


class ScheduledTurn:
    """A lock whose holders a scheduler chooses: never contended, since one thread runs at once."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Take who chooses."""
        self._scheduler = scheduler

    def __enter__(self) -> bool:
        self._scheduler.pause()
        return True

    def __exit__(self, *_: object) -> None:
        """Nobody waits for it."""

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Give way until something holds."""
        return self._scheduler.wait_for(predicate, timeout)

    def notify_all(self) -> None:
        """Who waits is asked each time anyway."""
