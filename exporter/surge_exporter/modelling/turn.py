"""The lock that the gate and the follower wait on."""

from collections.abc import Callable
from types import TracebackType
from typing import Protocol


class Turn(Protocol):
    """A lock that can be waited on, as `threading.Condition` is; tests have one of their own."""

    def __enter__(self) -> bool:
        """Take the lock."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Give it back."""
        ...

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Give the lock up until something holds, or for so many seconds; say whether it does."""
        ...

    def notify_all(self) -> None:
        """Have everybody look again who waits."""
        ...
